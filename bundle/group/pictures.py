"""Pictures of the maps of a group, by nilearn: slices over the mean scan, and glass brains."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from matplotlib.figure import Figure
from nilearn.plotting import find_cut_slices, plot_glass_brain, plot_stat_map

from bundle.colours import OVER_SCAN
from bundle.files import make_nifti, write_atomically
from bundle.group.maps import MapStack
from bundle.viewer.planes import find_plane

NUM_CUTS = 5  # planes along each axis
FACE, INK = "white", "#1b1f24"
TINY = 1e-12  # below it nothing is drawn
DPI = 110


class Pictures:
    """Draw maps of one group, all through the same planes.

    Args:
        stack: the maps; their mean scan is the background.
        chosen: maps by which the planes are chosen, each of shape (V,): where the sum of their magnitudes is largest.
    """

    def __init__(self, stack: MapStack, chosen: Sequence[np.ndarray]) -> None:
        self.stack = stack
        self.background = make_nifti(stack.background.astype(np.float32), stack.affine)
        strength = np.sum([np.abs(values) / (np.abs(values).max() or 1.0) for values in chosen], axis=0)
        self.mode, self.cuts = _choose_planes(stack.make_image(strength), stack.affine)

    @property
    def is_slice(self) -> bool:
        """Whether scans have one plane."""
        return len(self.mode) == 1

    def draw_slices(self, values: np.ndarray, limit: float, lines: Sequence[str], unit: str, path: Path) -> None:
        """Draw a map over the mean scan.

        Args:
            values: shape (V,); zeros are transparent.
            limit: magnitude at which the colours end.
            lines: title.
            unit: of the values, beside the colours.
            path: name ending in `.png`.
        """
        figure = Figure(figsize=(4.8, 4.6) if self.is_slice else (11, 8.2), facecolor=FACE)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "empty mask")  # where nothing is drawn
            plot_stat_map(
                self.stack.make_image(values), self.background, cut_coords=self.cuts, display_mode=self.mode, figure=figure,
                axes=(0.0, 0.0, 0.93, 0.9), threshold=TINY, vmax=limit, vmin=-limit, symmetric_cbar=True, cmap=OVER_SCAN,
                black_bg=True, colorbar=True, draw_cross=False, resampling_interpolation="nearest",
            )  # fmt: skip
        _finish(figure, lines, unit, path)

    def draw_glass_brain(self, values: np.ndarray, limit: float, lines: Sequence[str], unit: str, path: Path) -> None:
        """Draw the strongest value along each line of sight, in the outlines of the MNI152 brain; arguments as above."""
        figure = Figure(figsize=(11, 3.6), facecolor=FACE)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "empty mask")
            plot_glass_brain(
                self.stack.make_image(values), display_mode="lyrz", figure=figure, axes=(0.0, 0.0, 0.93, 0.78), threshold=TINY,
                plot_abs=False, black_bg=True, vmax=limit, vmin=-limit, symmetric_cbar=True, cmap=OVER_SCAN, colorbar=True,
            )  # fmt: skip
        _finish(figure, lines, unit, path)


def _choose_planes(strength: nibabel.Nifti1Image, affine: np.ndarray) -> tuple[str, list[float] | dict[str, list[float]]]:
    """Return the display mode of nilearn and the places of the planes, mm: of a volume along three axes, of a slice its own."""
    axes = {"sagittal": "x", "coronal": "y", "axial": "z"}
    plane = find_plane(strength.shape, affine)
    if plane is not None:
        axis = axes[plane]
        centre = affine[:3, :3] @ (np.array(strength.shape) - 1) / 2 + affine[:3, 3]
        return axis, [float(centre["xyz".index(axis)])]
    if not strength.get_fdata().any():
        strength = nibabel.Nifti1Image(np.ones(strength.shape, np.float32), affine)
    return "mosaic", {axis: [float(cut) for cut in find_cut_slices(strength, axis, NUM_CUTS)] for axis in axes.values()}


def _finish(figure: Figure, lines: Sequence[str], unit: str, path: Path) -> None:
    """Write title and unit, and save the picture."""
    height = figure.get_size_inches()[1]
    figure.axes[-1].yaxis.tick_right()  # of the colours, whose numbers would lie on the last slice
    figure.text(0.01, 1 - 0.08 / height, "\n".join(lines), va="top", ha="left", fontsize=10, color=INK)
    figure.text(0.995, 0.45, unit, rotation=90, va="center", ha="right", fontsize=9, color=INK)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=DPI, facecolor=FACE, metadata={"Software": None})
