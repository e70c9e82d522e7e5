"""Images of a scan as small volumes inside a page."""

import base64
import gzip
from typing import NamedTuple

import numpy as np

from bundle.files import make_nifti

STEPS = 200  # from zero to the end of the colours
DRAW_STEPS = 50  # likewise, of single draws, of which a page holds several
GREYS = 255  # steps of the intensities of a scan
MOST = 1_250_000  # voxels of a draw or of a step of a walk; of larger ones every second voxel is kept, or every third, ...


class PackedVolume(NamedTuple):
    """A quantised image.

    Attributes:
        text: compressed NIfTI file in base64.
        step: difference of neighbouring values; the image is kept within half of it.
    """

    text: str
    step: float


def pack_map(values: np.ndarray, affine: np.ndarray, limit: float, steps: int = STEPS) -> PackedVolume:
    """Pack a map in steps of about a 200th of the range of its colours, in 8 bits where its values fit.

    Args:
        values: the map, shape (H, W, D).
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
        limit: magnitude at which the colours end, above 0.
        steps: from zero to there, at least.
    """
    step = max(_round_down(limit / steps), float(np.abs(values).max()) / np.iinfo(np.int16).max)
    levels = np.round(values / step)
    kind = np.int8 if np.abs(levels).max() <= np.iinfo(np.int8).max else np.int16
    return PackedVolume(_encode(levels.astype(kind), affine, step), step)


def pack_scan(values: np.ndarray, affine: np.ndarray) -> PackedVolume:
    """Pack the intensities of a scan in 256 steps from the least to the largest.

    Args:
        values: the scan, shape (H, W, D).
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
    """
    low, high = float(values.min()), float(values.max())
    step = (high - low) / GREYS or 1.0
    return PackedVolume(_encode(np.round((values - low) / step).astype(np.uint8), affine, step, low), step)


def pack_labels(values: np.ndarray, affine: np.ndarray) -> str:
    """Pack whole numbers, shape (H, W, D), int16, as they are."""
    return _encode(values.astype(np.int16), affine, 1.0)


def pack_steps(images: np.ndarray, affine: np.ndarray) -> list[PackedVolume]:
    """Pack the images of a walk: the first as a scan, each other one as what it adds to the one before, in the same steps.

    Args:
        images: intensities, shape (H, W, D, S).
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
    """
    low, high = float(images.min()), float(images.max())
    step = (high - low) / GREYS or 1.0
    levels = np.round((images - low) / step).astype(np.int16)
    changes = np.diff(levels, axis=3)
    kind = np.int8 if np.abs(changes).max() <= np.iinfo(np.int8).max else np.int16
    texts = [_encode(levels[..., 0].astype(np.uint8), affine, step, low)]
    texts += [_encode(changes[..., place].astype(kind), affine, step) for place in range(changes.shape[3])]
    return [PackedVolume(text, step) for text in texts]


def find_stride(shape: tuple[int, ...]) -> int:
    """Return of how many voxels along each axis one is kept, so that a volume of this shape has at most `MOST`."""
    return next(stride for stride in range(1, max(shape) + 1) if np.prod(np.ceil(np.array(shape[:3]) / stride)) <= MOST)


def thin(images: np.ndarray, affine: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Return every so many voxels of images, shape (H, W, D, ...), with the affine of those."""
    return images[::stride, ::stride, ::stride], affine @ np.diag([stride, stride, stride, 1.0])


def pack_bytes(content: bytes) -> str:
    """Return bytes compressed, in base64; the same text for the same bytes."""
    return base64.b64encode(gzip.compress(content, compresslevel=6, mtime=0)).decode()


def _encode(levels: np.ndarray, affine: np.ndarray, step: float, low: float = 0.0) -> str:
    image = make_nifti(levels, affine)
    image.header.set_slope_inter(step, low)
    image.header["descrip"] = b"quantised"
    return pack_bytes(image.to_bytes())


def _round_down(value: float) -> float:
    """Return the next lower of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(factor for factor in (1, 2, 5) if factor * power <= value * (1 + 1e-9)) * power)
