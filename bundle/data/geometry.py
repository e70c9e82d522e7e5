"""Where voxels lie in the world, and sampling there. Everything is in double precision, so that equal grids copy exactly."""

from collections.abc import Sequence

import numpy as np
from nibabel.orientations import io_orientation
from scipy.ndimage import map_coordinates

ORDERS = {"nearest": 0, "bilinear": 1}  # MONAI's names of the interpolations
VERTICAL = 2  # the world axis that points from foot to head


def vertical_axis(affine: np.ndarray) -> int:
    """Return the voxel axis nearest to the world's z axis.

    Args:
        affine: Voxel to world matrix in mm (RAS), shape (4, 4).

    Returns:
        0, 1 or 2.
    """
    return int(np.flatnonzero(io_orientation(affine)[:, 0] == VERTICAL)[0])


def to_world(affine: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """Return world coordinates in mm, shape (3, ...), of voxel coordinates of shape (3, ...)."""
    return np.einsum("ij,j...->i...", affine[:3, :3], voxels) + affine[:3, 3].reshape(3, *[1] * (voxels.ndim - 1))


def to_voxels(affine: np.ndarray, world: np.ndarray) -> np.ndarray:
    """Return voxel coordinates, shape (3, ...), of world coordinates in mm of shape (3, ...)."""
    return to_world(np.linalg.inv(affine), world)


def list_voxels(shape: Sequence[int]) -> np.ndarray:
    """Return the index of every voxel of a volume, shape (3, X, Y, Z)."""
    return np.stack(np.meshgrid(*(np.arange(size) for size in shape), indexing="ij"))


def voxels_on_plane(affine: np.ndarray, shape: Sequence[int], height: float) -> np.ndarray:
    """Return the voxels nearest to an axial plane, one in each column that the plane crosses.

    Args:
        affine: Voxel to world matrix in mm (RAS), shape (4, 4); may be oblique.
        shape: Voxels along each axis of the volume.
        height: World z of the plane in mm.

    Returns:
        Voxel indices, shape (3, N).
    """
    axis = vertical_axis(affine)
    column = [size if other != axis else 1 for other, size in enumerate(shape)]
    voxels = list_voxels(column).reshape(3, -1)
    steps = (height - to_world(affine, voxels)[VERTICAL]) / affine[VERTICAL, axis]
    voxels[axis] = np.floor(steps + 0.5).astype(int)
    return voxels[:, (voxels[axis] >= 0) & (voxels[axis] < shape[axis])]


def sample_at(volume: np.ndarray, voxels: np.ndarray, mode: str = "bilinear") -> np.ndarray:
    """Interpolate a volume at voxel coordinates; it is zero outside.

    Args:
        volume: Shape (C, X, Y, Z).
        voxels: Coordinates, shape (3, ...); integers copy exactly.
        mode: "bilinear" (linear along each axis) or "nearest".

    Returns:
        Values of shape (C, ...), double precision.
    """
    order, positions = ORDERS[mode], np.round(voxels, 6)
    return np.stack([map_coordinates(channel, positions, np.float64, order=order, mode="grid-constant") for channel in volume])


def resample(
    volume: np.ndarray, affine: np.ndarray, new_affine: np.ndarray, new_shape: Sequence[int], mode: str = "bilinear"
) -> np.ndarray:
    """Resample a volume on another grid; where the new voxels are larger, several samples are averaged in each.

    Args:
        volume: Shape (C, X, Y, Z).
        affine: Its voxel to world matrix in mm (RAS), shape (4, 4).
        new_affine: The same of the new grid.
        new_shape: Voxels along each axis of the new grid; an axis of one voxel is not averaged along.
        mode: "bilinear" or "nearest"; "nearest" takes one sample a voxel.

    Returns:
        The volume on the new grid, shape (C, *new_shape), double precision.
    """
    chain = np.linalg.inv(affine) @ new_affine  # new voxel -> old voxel
    fineness = np.maximum(np.round(np.linalg.norm(chain[:3, :3], axis=0)).astype(int), 1)
    fineness[(np.array(new_shape) == 1) | (mode == "nearest")] = 1
    voxels = list_voxels(new_shape)
    total = np.zeros((volume.shape[0], *new_shape))
    for shift in list_voxels(fineness).reshape(3, -1).T:
        offset = (shift + 0.5) / fineness - 0.5
        total += sample_at(volume, to_world(chain, voxels + offset.reshape(3, 1, 1, 1)), mode)
    return total / fineness.prod()
