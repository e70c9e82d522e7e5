"""A scan with the brain in it, and the form that SimpleITK reads."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation's name)
from scipy.ndimage import distance_transform_edt

from bundle.data.scans import LoadScan, check_mask

MAX_SHEAR = 1e-3  # of the cosine between two voxel axes; more is no rotation
MAX_GRID_DIFFERENCE = 1e-3  # mm


class Volume(NamedTuple):
    """A scan in the world.

    Attributes:
        values: intensities, shape (X, Y, Z), float32.
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
        brain: where the brain is, shape (X, Y, Z), bool.
    """

    values: np.ndarray
    affine: np.ndarray
    brain: np.ndarray


def read_volume(image: str | Path, brain_mask: str | Path | None = None) -> Volume:
    """Read a scan and its brain mask.

    Args:
        image: NIfTI file of shape (X, Y, Z).
        brain_mask: NIfTI file on the same grid, not zero inside the brain; None to take where the scan is not zero.

    Returns:
        The scan.

    Raises:
        FileNotFoundError: When a file is absent.
        ValueError: When a file holds no volume, its voxel axes are sheared, or the mask is empty or on another grid.
    """
    scan = LoadScan()(image)
    values, affine = scan.numpy()[0], scan.affine.numpy().astype(np.float64)
    if values.ndim != 3 or 1 in values.shape:
        raise ValueError(f"{image} has shape {values.shape}: only volumes of shape (X, Y, Z) can be registered")
    _check_axes(affine, image)
    if brain_mask is None:
        return Volume(values, affine, values != 0)
    mask = LoadScan(constant=True)(brain_mask)
    if mask.shape[1:] != values.shape or not np.allclose(mask.affine, affine, atol=MAX_GRID_DIFFERENCE):
        raise ValueError(
            f"{brain_mask} has another grid (shape {tuple(mask.shape[1:])}) than {image} (shape {values.shape}):"
            " shape and affine must be equal"
        )
    check_mask(mask, brain_mask)
    return Volume(values, affine, mask.numpy()[0] != 0)


def fill_background(scan: Volume) -> Volume:
    """Give the empty voxels around a brain the intensity of the nearest voxel of the brain.

    Interpolation near the edge of a brain would otherwise read zeros that are no tissue.

    Args:
        scan: Scan; voxels outside the brain that are not zero (a scalp) are kept.
    """
    empty = ~scan.brain & (scan.values == 0)
    nearest = distance_transform_edt(~scan.brain, return_distances=False, return_indices=True)
    return scan._replace(values=np.where(empty, scan.values[tuple(nearest)], scan.values))


def to_sitk(values: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """Return an array as an image of SimpleITK whose physical space is the world (RAS, not ITK's LPS).

    Args:
        values: Shape (X, Y, Z).
        affine: Voxel to world matrix in mm, shape (4, 4), without shear.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(values.T))
    spacing = measure_spacing(affine)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return image


def from_sitk(image: sitk.Image) -> np.ndarray:
    """Return the voxels of an image of SimpleITK, shape (X, Y, Z)."""
    return sitk.GetArrayFromImage(image).T


def measure_spacing(affine: np.ndarray) -> np.ndarray:
    """Return the edges of a voxel in mm, shape (3,)."""
    return np.linalg.norm(affine[:3, :3], axis=0)


def _check_axes(affine: np.ndarray, name: str | Path) -> None:
    """Refuse voxel axes that are not at right angles."""
    directions = affine[:3, :3] / measure_spacing(affine)
    shear = np.abs(directions.T @ directions - np.eye(3)).max()
    if shear > MAX_SHEAR:
        raise ValueError(f"{name} has sheared voxel axes (cosine {shear:.3g}): accepted are axes at right angles")
