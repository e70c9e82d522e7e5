"""Maps of many scans on one grid, as one array."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from nibabel.affines import apply_affine
from nibabel.spatialimages import SpatialImage
from nilearn.image import smooth_img

from bundle.data.geometry import Grid
from bundle.data.scans import LoadScan, open_scan, shape_of
from bundle.errors import write_in_line
from bundle.files import make_nifti, unescape_name
from bundle.group.explained import ExplainedScan
from bundle.inference.results import make_volume

MAP = "fa_mean"
TOLERANCE = 1e-3  # mm, by which corners of two grids may differ
BRIGHT = 99.5  # percentile of the foreground that is 1 in the mean scan

logger = logging.getLogger(__name__)


class MapStack(NamedTuple):
    """Maps of a group.

    Attributes:
        scans: the scans, n.
        values: their maps inside the mask, smoothed, network intensity, shape (n, V), float32.
        present: where a map was not 0 before smoothing, shape (n, V), bool.
        mask: voxels of the group, shape (X, Y, Z), bool; V are in it.
        background: mean scan, 1 at its bright end, shape (X, Y, Z).
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
        failed: sentences on scans that could not be read.
    """

    scans: list[ExplainedScan]
    values: np.ndarray
    present: np.ndarray
    mask: np.ndarray
    background: np.ndarray
    affine: np.ndarray
    failed: list[str]

    def make_image(self, values: np.ndarray) -> nibabel.Nifti1Image:
        """Return values in the mask, shape (V,), as an image in float32, 0 elsewhere."""
        volume = np.zeros(self.mask.shape, np.float32)
        volume[self.mask] = values
        return make_nifti(volume, self.affine)


class MapReader:
    """Read the maps of scans that lie on one grid.

    Args:
        smoothing_fwhm: full width at half maximum of a Gaussian, mm; 0 for none. A slice is smoothed in its plane.
        mask: file of the voxels that are tested; None for those of `foreground_share`.
        foreground_share: share of the scans that are not 0 in a voxel that is tested, above 0, at most 1.

    Raises:
        ValueError: When a setting is not accepted.
    """

    def __init__(self, smoothing_fwhm: float = 0.0, mask: str | Path | None = None, foreground_share: float = 0.8) -> None:
        if not 0 <= smoothing_fwhm < np.inf:
            raise ValueError(f"smoothing_fwhm must be 0 mm or more, got {smoothing_fwhm}")
        if not 0 < foreground_share <= 1:
            raise ValueError(f"foreground_share must be above 0 and at most 1, got {foreground_share}")
        self.smoothing_fwhm, self.mask, self.foreground_share = smoothing_fwhm, mask, foreground_share

    def read(self, scans: Sequence[ExplainedScan]) -> MapStack:
        """Read the maps of all scans; those that cannot be read are named and left out.

        Args:
            scans: at least one.

        Raises:
            FileNotFoundError: When there is no such mask.
            ValueError: When a map lies on another grid than the first, none can be read, or no voxel is left.
        """
        scans = list(scans)
        grid = check_grid(scans)
        kept, failed = list[ExplainedScan](), list[str]()
        count, total = np.zeros(grid.shape), np.zeros(grid.shape)
        for scan in scans:  # the foreground decides which voxels of the maps are kept
            try:
                image = read_foreground(scan, grid)
                if not np.isfinite(scan.results.read_image(scan.row, MAP)).all():
                    raise ValueError(f"{scan.results.find_image(scan.row, MAP)} holds values that are not finite")
            except (OSError, ValueError) as error:
                failed.append(write_in_line(error))
                logger.warning("%s is left out: %s", scan.row["name"], failed[-1])
                continue
            kept.append(scan)
            count += image != 0
            total += image
        if not kept:
            raise ValueError(f"none of {len(scans)} scans can be read; the first: {failed[0]}")
        mask = self._read_mask(grid) if self.mask else count >= self.foreground_share * len(kept) - 1e-9
        if not mask.any():
            raise ValueError("no voxel is in the mask: accepted is a mask with values other than 0, or a lower foreground_share")
        values, present = np.empty((len(kept), mask.sum()), np.float32), np.empty((len(kept), mask.sum()), bool)
        for place, scan in enumerate(kept):
            volume = scan.results.read_image(scan.row, MAP)
            values[place], present[place] = self._smooth(volume, grid.affine)[mask], (volume != 0)[mask]
        return MapStack(kept, values, present, mask, total / len(kept), grid.affine, failed)

    def _smooth(self, volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
        """Return a map, shape (X, Y, Z), convolved with the Gaussian."""
        if not self.smoothing_fwhm:
            return volume
        widths = [self.smoothing_fwhm * (size > 1) for size in volume.shape]
        return np.asarray(smooth_img(nibabel.Nifti1Image(volume, affine), widths).dataobj)

    def _read_mask(self, grid: Grid) -> np.ndarray:
        """Return where the mask is not 0."""
        mask = open_scan(str(self.mask), np.inf)
        _check_place(mask, str(self.mask), grid, "the first scan")
        return np.asarray(make_volume(np.asarray(mask.dataobj)) != 0)


def check_grid(scans: Sequence[ExplainedScan]) -> Grid:
    """Return the grid of the maps of all scans, by their headers; maps that cannot be read are passed over.

    Raises:
        ValueError: When one has another shape or affine than the first, or no map can be read.
    """
    grid, first, reason = None, "", ""
    for scan in scans:
        try:
            image = open_scan(scan.results.find_image(scan.row, MAP), np.inf)
        except (OSError, ValueError) as error:
            reason = reason or write_in_line(error)
            continue
        if grid is None:
            grid, first = Grid(_pad_shape(image), image.affine), scan.row["name"]
        _check_place(image, scan.row["name"], grid, first)
    if grid is None:
        raise ValueError(f"none of {len(scans)} scans can be read; the first: {reason}")
    return grid


def read_foreground(scan: ExplainedScan, grid: Grid) -> np.ndarray:
    """Read a scan, 1 at its bright end and 0 outside the brain, shape (X, Y, Z).

    Raises:
        FileNotFoundError: When it is not where it was.
        ValueError: When it cannot be read, or lies on another grid than its map.
    """
    loaded = LoadScan(constant=True, max_voxels=np.inf)(unescape_name(scan.row["scan"]))  # inference has checked it
    image = make_volume(loaded.as_tensor()[0].numpy())
    if image.shape != grid.shape:
        raise ValueError(f"{scan.row['scan']} has the shape {image.shape}, and its map {grid.shape}: run inference again")
    bright = np.percentile(np.abs(image[image != 0]), BRIGHT) if image.any() else 1.0
    return image / bright


def _pad_shape(image: SpatialImage) -> tuple[int, ...]:
    """Return the voxels along three axes, one along the third of a slice."""
    return (*shape_of(image), 1)[:3]


def _check_place(image: SpatialImage, name: str, grid: Grid, first: str) -> None:
    """Refuse an image on another grid."""
    advice = "accepted are scans in template space, all on one grid (icam prepare brings whole heads there)"
    if (shape := _pad_shape(image)) != grid.shape:
        raise ValueError(f"{name} has the shape {shape}, and {first} {grid.shape}: {advice}")
    corners = np.array([*np.ndindex(2, 2, 2)]) * (np.array(grid.shape) - 1)
    moved = np.abs(apply_affine(image.affine, corners) - apply_affine(grid.affine, corners)).max()
    if moved > TOLERANCE:
        raise ValueError(f"{name} lies elsewhere than {first}, by up to {moved:.3g} mm (affine): {advice}")
