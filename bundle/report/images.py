"""Slices of scans and maps as pictures inside the page."""

import base64
import io
from collections.abc import Sequence
from itertools import combinations

import matplotlib
import numpy as np
import torch
from monai.data import MetaTensor
from PIL import Image
from scipy.ndimage import uniform_filter
from torch import Tensor

from bundle.colours import SIGNED, SPREAD
from bundle.inference.overview import COLOUR_LIMIT, SPREAD_SHARE, list_planes, name_plane

MARK = np.array([1.0, 0.62, 0.0])  # orange, for truths
BLUR = 3  # voxels over which a magnitude is averaged, so that no single voxel decides which planes are shown
SPREAD_LIMIT = SPREAD_SHARE * COLOUR_LIMIT  # network intensity, at which the colours of standard deviations end
RANGE = 99.5  # percentile of the magnitudes at which the colours of maps in another unit end


def take_planes(volume: Tensor, point: Sequence[int], background: float = 0.0) -> np.ndarray:
    """Return the planes of a volume through a point for display, below each other: axial, coronal, sagittal; a 2D image is one.

    Anterior is up in the axial plane and on the right in the sagittal one, left is on the left, superior is up. Of the volume,
    (C, H, W[, D]), the first channel is shown; `background` is the value beside planes that are narrower than others.
    """
    image, axes = volume[0].double().numpy(), range(volume.ndim - 1)
    planes = []
    for shown in combinations(axes, 2):
        place = tuple(slice(None) if axis in shown else point[axis] for axis in axes)
        planes.append(np.rot90(image[place]))
    missing = [max(plane.shape[1] for plane in planes) - plane.shape[1] for plane in planes]
    sides = [((0, 0), (count // 2, count - count // 2)) for count in missing]
    padded = [np.pad(plane, side, constant_values=background) for plane, side in zip(planes, sides, strict=True)]
    return np.concatenate(padded)


def find_point(volume: Tensor) -> tuple[int, ...]:
    """Return the voxel around which the magnitude of a truth or a map, shape (C, H, W[, D]), is largest."""
    strength = uniform_filter(volume[0].abs().double().numpy(), BLUR, mode="constant")
    return tuple(int(position) for position in np.unravel_index(strength.argmax(), strength.shape))


def name_planes(image: Tensor, affine: np.ndarray | None, point: Sequence[int]) -> str:
    """Return names and places of the planes through a voxel, such as "axial, z = 12 mm; coronal, y = -20 mm; ...".

    Args:
        image: the scan, shape (C, H, W[, D]).
        affine: voxel to world matrix in mm (RAS), shape (4, 4); None where it is not known, which counts the planes instead.
        point: the voxel.
    """
    planes = list_planes(image)
    if affine is not None:
        placed = MetaTensor(image, affine=torch.from_numpy(affine))
        return "; ".join(name_plane(placed, plane, point) for plane in planes)
    places = [f", plane {point[axis] + 1} of {image.shape[1 + axis]}" if image.ndim == 4 else "" for _, axis, _ in planes]
    return "; ".join(f"{name}{place}" for (name, *_), place in zip(planes, places, strict=True))


def find_range(*volumes: Tensor) -> float:
    """Return the magnitude that 99.5 % of the values of all maps in one unit do not exceed; 1 where that is 0."""
    return float(np.percentile(np.concatenate([volume.abs().numpy().ravel() for volume in volumes]), RANGE)) or 1.0


def draw_scan(plane: np.ndarray) -> str:
    """Return a scan, intensities in [-1, 1], shape (H, W), as a grey picture (a data URI)."""
    return _encode(_grey(plane))


def draw_truth(plane: np.ndarray, truth: np.ndarray, limit: float = 1.0) -> str:
    """Return a scan, intensities in [-1, 1], shape (H, W), a mask or change in orange on top, most opaque from `limit` on."""
    opacity = (np.abs(truth) / limit).clip(0, 1)[..., None] * 0.85
    return _encode((1 - opacity) * _grey(plane) + opacity * MARK)


def draw_map(plane: np.ndarray, limit: float = COLOUR_LIMIT) -> str:
    """Return a signed map of shape (H, W), `limit` at the ends of its colours, as a picture (a data URI)."""
    return _encode(SIGNED((plane / limit + 1) / 2)[..., :3])


def draw_spread(plane: np.ndarray, limit: float = SPREAD_LIMIT) -> str:
    """Return a map of values from zero, shape (H, W), `limit` at the end of its colours, as a picture (a data URI)."""
    return _encode(matplotlib.colormaps[SPREAD](plane / limit)[..., :3])


def _grey(plane: np.ndarray) -> np.ndarray:
    return np.repeat((plane.clip(-1, 1)[..., None] + 1) / 2, 3, axis=-1)


def _encode(pixels: np.ndarray) -> str:
    """Return colours in [0, 1], shape (H, W, 3), as a PNG data URI; with a palette, a third of the size, where they are few."""
    values = (pixels.clip(0, 1) * 255).round().astype(np.uint8)
    colours, indices = np.unique(values.reshape(-1, 3), axis=0, return_inverse=True)
    image = Image.fromarray(values)
    if len(colours) <= 256:
        image = Image.fromarray(indices.reshape(values.shape[:2]).astype(np.uint8), mode="P")
        image.putpalette(colours.ravel().tolist())
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
