"""Finding the brain in a whole head, offline, with the networks of the package deepbet."""

import hashlib
import importlib.metadata
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import interpolate

PACKAGE = "deepbet"
CHECKSUMS = {  # SHA-256 of deepbet 1.0.2: TorchScript is code, and no other code is run
    "bbox_model.pt": "39a7b2b5f799faa1391ea97bfcdc0b9299f20d84f2316a4ff8918dc4685e40aa",
    "model.pt": "de8ee7c69654d0dd3935dc4a5d84571d8ecf4637a6bfc01df399c4c2bc86e0fd",
}
COARSE_SIZE = (128, 128, 128)  # voxels in which the brain is found
FINE_SIZE = (256, 256, 256)  # voxels in which its border is drawn
MARGIN = 0.1  # of the brain's extent, on each side
OCCUPIED = 0.02  # share of a plane's voxels above which it crosses the brain
INTENSITY_QUANTILES = (0.005, 0.995)
MEAN, DEVIATION = 0.449, 0.226  # of the intensities that the networks were trained with


def extract_brain(image: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """Mark the brain in a T1-weighted scan: a first network finds the box that holds it, a second its border.

    Source: Fisch et al., Computers in Biology and Medicine 2024 (https://doi.org/10.1016/j.compbiomed.2024.108845), whose
    networks come with the package deepbet.

    Args:
        image: Whole head along the axes right, anterior and superior, any intensities, shape (X, Y, Z).
        threshold: Probability above which a voxel belongs to the brain.

    Returns:
        Brain and ventricles in one piece without holes, shape (X, Y, Z), bool.

    Raises:
        FileNotFoundError: When deepbet is not installed.
        ValueError: When its networks are other than those of deepbet 1.0.2, or find no brain.
    """
    scan = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))
    coarse = _resize(scan, COARSE_SIZE)
    low, high = np.quantile(coarse, INTENSITY_QUANTILES).tolist()
    if high <= low:
        raise ValueError("no brain is found: nearly all voxels have the same intensity")
    rough = _largest_piece(_find_brain("bbox_model.pt", coarse, low, high).numpy() > threshold)
    box = _enclose(rough, image.shape)
    fine = _find_brain("model.pt", _resize(scan[box], FINE_SIZE), low, high)
    mask = np.zeros(image.shape, dtype=bool)
    mask[box] = (_resize(fine, scan[box].shape) > threshold).numpy()
    return ndimage.binary_fill_holes(_largest_piece(mask))


@lru_cache(maxsize=2)
def load_network(name: str) -> torch.jit.ScriptModule:
    """Load one of deepbet's networks onto the CPU, after its checksum was compared.

    It maps (1, 1, X, Y, Z) to the probabilities of background and brain. A `FileNotFoundError` when deepbet is not installed, a
    `ValueError` when the file is another than that of deepbet 1.0.2.
    """
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(f"data/models/{name}")))
        content = path.read_bytes()
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError) as error:
        raise FileNotFoundError(
            "brain_extraction needs the package deepbet: pip install deepbet==1.0.2,"
            " or set brain_extraction to False for scans without skull"
        ) from error
    if hashlib.sha256(content).hexdigest() != CHECKSUMS[name]:
        raise ValueError(f"{path} is not the file of deepbet 1.0.2: pip install deepbet==1.0.2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # deepbet ships nothing but TorchScript
        return torch.jit.load(str(path), map_location="cpu").eval()


def _find_brain(name: str, image: Tensor, low: float, high: float) -> Tensor:
    """Return the probability of brain in each voxel, the shape of `image`."""
    scaled = ((image - low) / (high - low)).clamp(0, 1)
    scaled = (scaled - scaled.mean()) / scaled.std() * DEVIATION + MEAN
    with torch.inference_mode():
        return load_network(name)(scaled[None, None])[0, 1]


def _resize(image: Tensor, shape: tuple[int, ...] | torch.Size) -> Tensor:
    return interpolate(image[None, None], tuple(shape), mode="nearest-exact")[0, 0]


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected part of a mask."""
    pieces, count = ndimage.label(mask)
    if not count:
        raise ValueError("no brain is found: is it a T1-weighted head?")
    return pieces == np.bincount(pieces.ravel())[1:].argmax() + 1


def _enclose(mask: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return the box around a mask, with a margin, in the voxels of another shape."""
    box = []
    for axis, size in enumerate(shape):
        planes = np.flatnonzero(mask.mean(axis=tuple({0, 1, 2} - {axis})) > OCCUPIED)
        if not len(planes):
            raise ValueError("no brain is found: what looks like one is too small")
        scale = size / mask.shape[axis]
        start, stop = scale * planes[0], scale * (planes[-1] + 1)
        margin = MARGIN * (stop - start)
        box.append(slice(max(int(start - margin), 0), min(int(np.ceil(stop + margin)), size)))
    return tuple(box)
