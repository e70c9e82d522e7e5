"""The grid half-way between two scans, on which both are read once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation's name)

from bundle.data.geometry import list_voxels, to_world
from bundle.registration.intensities import estimate_ratio
from bundle.registration.transforms import halve
from bundle.registration.volumes import Volume, from_sitk, measure_spacing, to_sitk

MARGIN = 2  # voxels around the brains
INTERPOLATIONS = {"nearest": sitk.sitkNearestNeighbor, "linear": sitk.sitkLinear, "cubic": sitk.sitkBSpline3}


class Grid(NamedTuple):
    """Where voxels lie.

    Attributes:
        shape: voxels along each axis, (X, Y, Z).
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
    """

    shape: tuple[int, ...]
    affine: np.ndarray


class Meeting(NamedTuple):
    """Two scans in the space half-way between them.

    Attributes:
        transform: from world points of the earlier scan to those of the later, mm (RAS), shape (4, 4).
        to_earlier: from world points half-way to those of the earlier scan, shape (4, 4).
        to_later: from world points half-way to those of the later scan, shape (4, 4).
        grid: where the voxels below lie.
        brain: what both masks hold, shape (X, Y, Z), bool.
        earlier: the earlier scan, shape (X, Y, Z), its own intensities.
        later: the later scan, likewise.
        root: square root of the smooth ratio of intensities, later by earlier: `earlier * root` and `later / root` match.
    """

    transform: np.ndarray
    to_earlier: np.ndarray
    to_later: np.ndarray
    grid: Grid
    brain: np.ndarray
    earlier: np.ndarray
    later: np.ndarray
    root: np.ndarray


def meet(earlier: Volume, later: Volume, transform: np.ndarray, bias_sigma: float | None) -> Meeting:
    """Bring two scans half-way to each other, and estimate the ratio of their intensities there.

    Args:
        earlier: One scan.
        later: The other.
        transform: From world points of `earlier` to those of `later`, mm (RAS), shape (4, 4).
        bias_sigma: Smoothness of the ratio of the bias fields in mm; None where only the gain differs.

    Returns:
        The scans half-way.

    Raises:
        ValueError: When the brains do not overlap, or the scans have negative intensities.
    """
    half = halve(transform)
    scans, ways = (earlier, later), (np.linalg.inv(half), half)
    grid = place_halfway_grid(scans, ways)
    brain = read_common_brain(scans, grid, ways)
    first, second = (resample(scan.values, scan.affine, grid, way) for scan, way in zip(scans, ways, strict=True))
    ratio = estimate_ratio(first, second, brain, grid.affine, bias_sigma)
    return Meeting(transform, *ways, grid, brain, first, second, np.sqrt(ratio).astype(np.float32))


def match(earlier: Volume, later: Volume, meeting: Meeting) -> tuple[Volume, Volume]:
    """Return two scans on their own grids, with the intensities that they have half-way.

    Args:
        earlier: One scan.
        later: The other.
        meeting: What `meet` found for them.
    """
    roots = []
    for scan, way in ((earlier, meeting.to_earlier), (later, meeting.to_later)):
        grid = Grid(scan.values.shape, scan.affine)
        root = resample(meeting.root, meeting.grid.affine, grid, np.linalg.inv(way), "linear")
        roots.append(np.where(scan.brain & (root > 0), root, 1))
    return earlier._replace(values=earlier.values * roots[0]), later._replace(values=later.values / roots[1])


def place_halfway_grid(scans: Sequence[Volume], matrices: Sequence[np.ndarray]) -> Grid:
    """Place a grid along the world's axes that holds the brains of all scans in the space half-way between them.

    Args:
        scans: Scans with their brains.
        matrices: For each the matrix from world points half-way to its own, mm, shape (4, 4).

    Returns:
        A grid whose voxels are cubes of the volume of the smallest voxel among the scans.
    """
    spacing = min(float(np.prod(measure_spacing(scan.affine)) ** (1 / 3)) for scan in scans)
    corners = [_find_corners(scan, matrix) for scan, matrix in zip(scans, matrices, strict=True)]
    low, high = np.min([low for low, _ in corners], axis=0), np.max([high for _, high in corners], axis=0)
    shape = np.ceil((high - low) / spacing).astype(int) + 1 + 2 * MARGIN
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = (low + high) / 2 - (shape - 1) / 2 * spacing
    return Grid(tuple(int(size) for size in shape), affine)


def resample(values: np.ndarray, affine: np.ndarray, grid: Grid, matrix: np.ndarray, interpolation: str = "cubic") -> np.ndarray:
    """Read an image on another grid, through a transform.

    Args:
        values: Shape (X, Y, Z).
        affine: Its voxel to world matrix in mm, shape (4, 4).
        grid: Where to read it.
        matrix: From the world of the grid to the world of the image, mm, shape (4, 4).
        interpolation: "nearest", "linear" or "cubic" (B-spline).

    Returns:
        Shape of the grid, float32; zero outside the image.
    """
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    spacing = measure_spacing(grid.affine)
    return from_sitk(
        sitk.Resample(
            to_sitk(values.astype(np.float32), affine),
            grid.shape,
            transform,
            INTERPOLATIONS[interpolation],
            grid.affine[:3, 3].tolist(),
            spacing.tolist(),
            (grid.affine[:3, :3] / spacing).ravel().tolist(),
        )
    )


def read_common_brain(scans: Sequence[Volume], grid: Grid, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Return where the brains of all scans overlap, on another grid, bool.

    Args:
        scans: Scans with their brains.
        grid: Where to read them.
        matrices: For each the matrix from the world of the grid to its own, mm, shape (4, 4).

    Raises:
        ValueError: When they do not overlap.
    """
    masks = [
        resample(scan.brain, scan.affine, grid, matrix, "linear") >= 0.5 for scan, matrix in zip(scans, matrices, strict=True)
    ]
    common = np.logical_and.reduce(masks)
    if not common.any():
        raise ValueError("the brains of the scans do not overlap after registration: do both show the same head?")
    return common


def _find_corners(scan: Volume, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest world coordinates half-way of the box around a brain, each (3,)."""
    voxels = np.argwhere(scan.brain)
    low, high = voxels.min(axis=0), voxels.max(axis=0)
    box = low[:, None] + list_voxels((2, 2, 2)).reshape(3, -1) * (high - low)[:, None]  # (3, 8)
    points = to_world(np.linalg.inv(matrix) @ scan.affine, box)
    return points.min(axis=1), points.max(axis=1)
