"""Resampling of two scans into the mid-space between them, where both are interpolated once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from nibabel.affines import voxel_sizes

from bundle.data.geometry import Grid, list_voxels, to_world, transform_volume
from bundle.registration.intensities import estimate_ratio
from bundle.registration.transforms import halve
from bundle.registration.volumes import Volume

MARGIN = 2  # voxels around the brains


class Midspace(NamedTuple):
    """Two scans in the space half-way between them.

    Attributes:
        transform: from world points of the earlier scan to those of the later, mm (RAS), shape (4, 4).
        to_earlier: from world points of the mid-space to those of the earlier scan, shape (4, 4).
        to_later: from world points of the mid-space to those of the later scan, shape (4, 4).
        grid: where the voxels below lie.
        brain: intersection of both masks, shape (X, Y, Z), bool.
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


def resample_to_midspace(earlier: Volume, later: Volume, transform: np.ndarray, bias_sigma: float | None) -> Midspace:
    """Resample two scans into their mid-space, and estimate the ratio of their intensities there.

    `transform` leads from world points of the earlier scan to those of the later, mm (RAS), shape (4, 4); `bias_sigma` is the
    smoothness of the ratio of the bias fields in mm, None where only the gain differs. A `ValueError` when the brains do not
    overlap, or the scans have negative intensities.
    """
    half = halve(transform)
    scans, matrices = (earlier, later), (np.linalg.inv(half), half)
    grid, pairs = place_midspace_grid(scans, matrices), list(zip(scans, matrices, strict=True))
    masks = [transform_volume(scan.brain, scan.affine, grid, matrix, "bilinear") >= 0.5 for scan, matrix in pairs]
    brain = masks[0] & masks[1]
    if not brain.any():
        raise ValueError("the brains of the scans do not overlap after registration: do both show the same head?")
    first, second = (transform_volume(scan.values, scan.affine, grid, matrix) for scan, matrix in pairs)
    root = np.sqrt(estimate_ratio(first, second, brain, grid.affine, bias_sigma)).astype(np.float32)
    return Midspace(transform, *matrices, grid, brain, first, second, root)


def match_intensities(earlier: Volume, later: Volume, midspace: Midspace) -> tuple[Volume, Volume]:
    """Return two scans on their own grids, with the matched intensities that they have in their mid-space."""
    roots = []
    for scan, matrix in ((earlier, midspace.to_earlier), (later, midspace.to_later)):
        grid = Grid(scan.values.shape, scan.affine)
        root = transform_volume(midspace.root, midspace.grid.affine, grid, np.linalg.inv(matrix), "bilinear")
        roots.append(np.where(scan.brain & (root > 0), root, 1))
    return earlier._replace(values=earlier.values * roots[0]), later._replace(values=later.values / roots[1])


def place_midspace_grid(scans: Sequence[Volume], matrices: Sequence[np.ndarray]) -> Grid:
    """Place a grid along the world's axes that holds the brains of all scans in mid-space, its voxels as large as the smallest.

    The matrices lead from world points of the mid-space to those of each scan, mm, shape (4, 4).
    """
    spacing = min(float(np.prod(voxel_sizes(scan.affine)) ** (1 / 3)) for scan in scans)
    corners = np.concatenate(list(map(_list_corners, scans, matrices)), axis=1)  # (3, 8 * scans)
    low, high = corners.min(axis=1), corners.max(axis=1)
    shape = np.ceil((high - low) / spacing).astype(int) + 1 + 2 * MARGIN
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = (low + high) / 2 - (shape - 1) / 2 * spacing
    return Grid(tuple(int(size) for size in shape), affine)


def _list_corners(scan: Volume, matrix: np.ndarray) -> np.ndarray:
    """Return the world points in mid-space of the corners of the box around a brain, shape (3, 8)."""
    voxels = np.argwhere(scan.brain)
    low, high = voxels.min(axis=0), voxels.max(axis=0)
    box = low[:, None] + list_voxels((2, 2, 2)).reshape(3, -1) * (high - low)[:, None]
    return to_world(np.linalg.inv(matrix) @ scan.affine, box)
