"""Slices of scans and maps as pictures inside the page."""

import base64
import io
from collections.abc import Sequence
from itertools import combinations

import matplotlib
import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter
from torch import Tensor

from bundle.colours import SIGNED, SPREAD

MARK = np.array([1.0, 0.62, 0.0])  # orange, for truths
BLUR = 3  # voxels over which a magnitude is averaged, so that no single voxel decides which planes are shown
RANGE = 99.5  # percentile of the magnitudes at which a map's colours end


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


def find_range(*volumes: Tensor) -> float:
    """Return the magnitude at which the colours of some maps end, so that they share one scale."""
    return float(np.percentile(np.concatenate([volume.abs().numpy().ravel() for volume in volumes]), RANGE)) or 1.0


def draw_scan(plane: np.ndarray) -> str:
    """Return a scan, intensities in [-1, 1], shape (H, W), as a grey picture (a data URI)."""
    return _encode(_grey(plane))


def draw_truth(plane: np.ndarray, truth: np.ndarray) -> str:
    """Return a scan, intensities in [-1, 1], shape (H, W), with a mask or change in orange on top, opaque where largest."""
    opacity = (np.abs(truth) / (np.abs(truth).max() or 1.0))[..., None] * 0.85
    return _encode((1 - opacity) * _grey(plane) + opacity * MARK)


def draw_map(plane: np.ndarray, limit: float) -> str:
    """Return a signed map of shape (H, W), `limit` at the ends of its colours, as a picture (a data URI)."""
    return _encode(SIGNED((plane / limit + 1) / 2)[..., :3])


def draw_spread(plane: np.ndarray, limit: float) -> str:
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
