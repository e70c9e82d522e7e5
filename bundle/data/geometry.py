"""Where voxels lie in the world, and sampling there."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation's name)
from nibabel.affines import voxel_sizes
from nibabel.orientations import io_orientation
from scipy.ndimage import map_coordinates

ORDERS = {"nearest": 0, "bilinear": 1}  # MONAI's names of the interpolations
INTERPOLATORS = {"nearest": sitk.sitkNearestNeighbor, "bilinear": sitk.sitkLinear, "bicubic": sitk.sitkBSpline3}
VERTICAL = 2  # the world axis that points from foot to head


class Grid(NamedTuple):
    """Where voxels lie.

    Attributes:
        shape: voxels along each axis, (X, Y, Z).
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
    """

    shape: tuple[int, ...]
    affine: np.ndarray


def vertical_axis(affine: np.ndarray) -> int:
    """Return the voxel axis, 0 to 2, nearest to the world's z axis, of a voxel to world matrix."""
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
    """Return the voxels nearest to an axial plane, one in each column that the plane crosses, as indices of shape (3, N).

    Args:
        affine: Voxel to world matrix in mm (RAS), shape (4, 4); may be oblique.
        shape: Voxels along each axis of the volume.
        height: World z of the plane in mm.
    """
    axis = vertical_axis(affine)
    column = [size if other != axis else 1 for other, size in enumerate(shape)]
    voxels = list_voxels(column).reshape(3, -1)
    steps = (height - to_world(affine, voxels)[VERTICAL]) / affine[VERTICAL, axis]
    upper, lower = np.floor(steps + 0.5), np.ceil(steps - 0.5)  # differ where the plane is halfway between two voxels
    voxels[axis] = (upper if affine[VERTICAL, axis] > 0 else lower).astype(int)  # the higher one in the world
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
    volume: np.ndarray,
    affine: np.ndarray,
    new_affine: np.ndarray,
    new_shape: Sequence[int],
    mode: str = "bilinear",
    exact: bool = True,
) -> np.ndarray:
    """Resample a volume on another grid; where the new voxels are larger, several samples are averaged in each.

    Args:
        volume: Shape (C, X, Y, Z).
        affine: Its voxel to world matrix in mm (RAS), shape (4, 4).
        new_affine: The same of the new grid.
        new_shape: Voxels along each axis of the new grid; an axis of one voxel is not averaged along.
        mode: "bilinear" or "nearest"; "nearest" takes one sample a voxel.
        exact: Whether equal grids copy exactly, in double precision. False is for whole heads: single precision, a tenth of the
            memory.

    Returns:
        The volume on the new grid, shape (C, *new_shape), zero outside the old one.
    """
    chain = np.linalg.inv(affine) @ new_affine  # new voxel -> old voxel
    fineness = np.maximum(np.round(np.linalg.norm(chain[:3, :3], axis=0)).astype(int), 1)
    fineness[(np.array(new_shape) == 1) | (mode == "nearest")] = 1
    offsets = (list_voxels(fineness).reshape(3, -1).T + 0.5) / fineness - 0.5
    if exact:
        voxels = list_voxels(new_shape)
        samples = (sample_at(volume, to_world(chain, voxels + offset.reshape(3, 1, 1, 1)), mode) for offset in offsets)
    else:
        images = [_pad(channel) for channel in volume]
        samples = (_sample_fast(images, chain, offset, new_shape, mode) for offset in offsets)
    total = next(samples)
    for sample in samples:
        total += sample
    return total / len(offsets)


def _pad(channel: np.ndarray) -> sitk.Image:
    """Return a volume, shape (X, Y, Z), as an image whose world is its voxels, with one of zeros on every side."""
    affine = np.eye(4)
    affine[:3, 3] = -1
    return to_sitk(np.pad(channel.astype(np.float32), 1), affine)


def _sample_fast(
    images: Sequence[sitk.Image], chain: np.ndarray, offset: np.ndarray, shape: Sequence[int], mode: str
) -> np.ndarray:
    """Sample images whose world is their voxels; `chain` leads to them from the voxels of the new grid, moved by `offset`."""
    moved = chain.copy()
    moved[:3, 3] += chain[:3, :3] @ offset
    size, transform = [int(count) for count in shape], _make_transform(moved)
    return np.stack([from_sitk(sitk.Resample(image, size, transform, INTERPOLATORS[mode])) for image in images])


def transform_volume(values: np.ndarray, affine: np.ndarray, grid: Grid, matrix: np.ndarray, mode: str = "bicubic") -> np.ndarray:
    """Interpolate a volume on another grid through a transform of the world, without averaging.

    By SimpleITK: its cubic splines blur least, and intensities at the border are not mixed with the zeros beyond.

    Args:
        values: Shape (X, Y, Z).
        affine: Its voxel to world matrix in mm, shape (4, 4).
        grid: The new grid.
        matrix: From the world of the grid to the world of the volume, mm, shape (4, 4).
        mode: "nearest", "bilinear" or "bicubic" (B-spline).

    Returns:
        Shape of the grid, float32; zero outside the volume.
    """
    spacing = voxel_sizes(grid.affine)
    direction = (grid.affine[:3, :3] / spacing).ravel().tolist()
    place = (grid.affine[:3, 3].tolist(), spacing.tolist(), direction)
    image = to_sitk(values.astype(np.float32), affine)
    return from_sitk(sitk.Resample(image, grid.shape, _make_transform(matrix), INTERPOLATORS[mode], *place))


def _make_transform(matrix: np.ndarray) -> sitk.AffineTransform:
    """Return a matrix, shape (4, 4), as a transform of SimpleITK."""
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    return transform


def to_sitk(values: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """Return an array as an image of SimpleITK whose physical space is the world (RAS, not ITK's LPS).

    Args:
        values: Shape (X, Y, Z).
        affine: Voxel to world matrix in mm, shape (4, 4), without shear.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T))
    spacing = voxel_sizes(affine)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return image


def from_sitk(image: sitk.Image) -> np.ndarray:
    """Return the voxels of an image of SimpleITK, shape (X, Y, Z)."""
    return sitk.GetArrayFromImage(image).T
