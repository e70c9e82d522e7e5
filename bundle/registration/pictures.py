"""A small picture of a registered pair."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from bundle.files import write_atomically

NAMES = ("earlier", "later", "change")
HEIGHTS = (0.35, 0.5, 0.65)  # of the axial slices, in parts of the brain's height
PERCENTILE = 99.5  # of the brain, that ends a scale


def draw_pair(path: Path, halfway: np.ndarray, title: str = "") -> None:
    """Draw three axial slices of both scans and of their difference.

    Args:
        path: Name ending in `.png`.
        halfway: Earlier scan, later scan and difference, zero outside the brain, shape (3, X, Y, Z).
        title: Line above the picture.
    """
    slices = [int(height * (halfway.shape[3] - 1)) for height in HEIGHTS]
    figure = Figure(figsize=(6.6, 7.2))
    axes = figure.subplots(len(slices), len(NAMES))
    figure.suptitle(title, fontsize=9)
    for column, (name, volume) in enumerate(zip(NAMES, halfway, strict=True)):
        top = _find_top(halfway[:2] if column < 2 else volume)
        style = {"cmap": "gray", "vmin": 0, "vmax": top} if column < 2 else {"cmap": "RdBu_r", "vmin": -top, "vmax": top}
        for row, height in enumerate(slices):
            axes[row, column].imshow(volume[:, :, height].T, origin="lower", **style)
            axes[row, column].set_axis_off()
        axes[0, column].set_title(name, fontsize=9)
    figure.tight_layout()
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=80)


def _find_top(values: np.ndarray) -> float:
    """Return the intensity that ends the scale."""
    inside = np.abs(values[values != 0])
    return float(np.percentile(inside, PERCENTILE)) if inside.size else 1.0
