"""The grid of prepared scans, and bringing scans there."""

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import ndimage

LOWEST, HIGHEST = np.array([-96.0, -132.0, -78.0]), np.array([96.0, 96.0, 114.0])  # mm, world; symmetric about x = 0


class Grid(NamedTuple):
    """Where voxels lie.

    Attributes:
        shape: Voxels along each axis.
        affine: Voxel to world matrix in mm (RAS), shape (4, 4).
    """

    shape: tuple[int, ...]
    affine: np.ndarray


def place_grid(voxel_size: float) -> Grid:
    """Return the grid of cubic voxels over a brain in MNI space; with 1 mm it has 193 x 229 x 193 voxels.

    Args:
        voxel_size: Edge of a voxel in mm.
    """
    affine = np.diag([voxel_size] * 3 + [1.0])
    affine[:3, 3] = LOWEST
    return Grid(tuple(int(count) for count in np.floor((HIGHEST - LOWEST) / voxel_size + 1e-6) + 1), affine)


def resample(volume: np.ndarray, chain: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Interpolate a volume linearly on another grid; where the new voxels are larger, several samples are averaged in each.

    Args:
        volume: Shape (X, Y, Z).
        chain: Matrix from new voxels to voxels of the volume, shape (4, 4).
        shape: Of the new grid.

    Returns:
        The volume on the new grid, float32; zero outside the old one.
    """
    fineness = np.maximum(np.round(np.linalg.norm(chain[:3, :3], axis=0)).astype(int), 1)
    shifts = list(product(*((np.arange(count) + 0.5) / count - 0.5 for count in fineness)))
    source, total = np.asarray(volume, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    for shift in shifts:
        offset = chain[:3, :3] @ np.array(shift) + chain[:3, 3]
        total += ndimage.affine_transform(source, chain[:3, :3], offset, tuple(shape), np.float32, order=1, mode="grid-constant")
    return total / len(shifts)


def straighten(affine: np.ndarray) -> np.ndarray:
    """Return the nearest affine whose voxel axes are at right angles; one without shear stays as it is.

    Args:
        affine: Voxel to world matrix in mm, shape (4, 4).
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    straight = affine.copy()
    straight[:3, :3] = left @ right * spacing
    return straight
