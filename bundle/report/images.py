"""Slices of scans and maps as pictures inside the page."""

import base64
import io

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image
from torch import Tensor

SIGNED = LinearSegmentedColormap.from_list("signed", ["#a8dcff", "#1f6fd0", "#000000", "#d0401f", "#ffc98a"])  # black at zero
HEAT = "magma"
MARK = np.array([1.0, 0.62, 0.0])  # orange, for truths
RANGE = 99.5  # percentile of the magnitudes at which a map's colours end


def take_slice(volume: Tensor, index: int = 0) -> np.ndarray:
    """Return an axial slice for display, anterior up and left on the left, shape (W, H).

    Args:
        volume: first channel is shown, shape (C, H, W[, D]); a 2D image is its own only slice.
        index: position along the last axis.
    """
    plane = volume[0].reshape(*volume.shape[1:3], -1)[..., index]
    return np.rot90(plane.double().numpy()).copy()


def find_slice(volume: Tensor) -> int:
    """Return the axial slice in which a truth or a map is largest, of a volume of shape (C, H, W[, D])."""
    return int(volume[0].abs().reshape(*volume.shape[1:3], -1).sum((0, 1)).argmax())


def find_range(*volumes: Tensor) -> float:
    """Return the magnitude at which the colours of some maps end, so that they share one scale."""
    return float(np.percentile(np.concatenate([volume.abs().numpy().ravel() for volume in volumes]), RANGE)) or 1.0


def draw_scan(plane: np.ndarray) -> str:
    """Return a scan, intensities in [-1, 1], shape (H, W), as a grey picture (a data URI)."""
    return _encode(_grey(plane))


def draw_truth(plane: np.ndarray, truth: np.ndarray) -> str:
    """Return a scan with its truth in orange on top.

    Args:
        plane: scan, intensities in [-1, 1], shape (H, W).
        truth: mask or change, same shape; its largest magnitude is opaque.

    Returns:
        Data URI.
    """
    opacity = (np.abs(truth) / (np.abs(truth).max() or 1.0))[..., None] * 0.85
    return _encode((1 - opacity) * _grey(plane) + opacity * MARK)


def draw_map(plane: np.ndarray, limit: float) -> str:
    """Return a signed map of shape (H, W), `limit` at the ends of its colours, as a picture (a data URI)."""
    return _encode(SIGNED((plane / limit + 1) / 2)[..., :3])


def draw_variance(plane: np.ndarray, limit: float) -> str:
    """Return a map of values from zero, shape (H, W), `limit` at the end of its colours, as a picture (a data URI)."""
    return _encode(matplotlib.colormaps[HEAT](plane / limit)[..., :3])


def _grey(plane: np.ndarray) -> np.ndarray:
    return np.repeat((plane.clip(-1, 1)[..., None] + 1) / 2, 3, axis=-1)


def _encode(pixels: np.ndarray) -> str:
    """Return colours in [0, 1], shape (H, W, 3), as a PNG data URI."""
    buffer = io.BytesIO()
    Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8)).save(buffer, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
