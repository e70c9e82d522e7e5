"""A scan with the brain in it."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from nibabel.affines import voxel_sizes
from scipy.ndimage import distance_transform_edt

from bundle.data.plausibility import find_doubts
from bundle.data.scans import LoadScan, check_mask, read_volume

MAX_SHEAR = 1e-3  # of the cosine between two voxel axes; more is no rotation
MAX_GRID_DIFFERENCE = 1e-3  # mm

logger = logging.getLogger(__name__)


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


def read_brain(image: str | Path, brain_mask: str | Path | None = None) -> Volume:
    """Read a scan and its brain mask.

    Args:
        image: file of shape (X, Y, Z).
        brain_mask: file on the same grid, not zero inside the brain; None to take where the scan is not zero.

    Returns:
        The scan.

    Raises:
        FileNotFoundError: When a file is absent.
        ValueError: When a file holds no volume, its voxel axes are sheared, or the mask is empty or on another grid.
    """
    values, placement = read_volume(image)
    affine = placement.affine
    if 1 in values.shape:
        raise ValueError(f"{image} has shape {values.shape}: accepted are volumes with several voxels along each axis")
    directions = affine[:3, :3] / voxel_sizes(affine)
    shear = np.abs(directions.T @ directions - np.eye(3)).max()
    if shear > MAX_SHEAR:
        raise ValueError(f"{image} has sheared voxel axes (cosine {shear:.3g}): accepted are axes at right angles")
    doubts = placement.warnings + (find_doubts(values, affine) if brain_mask is None else [])
    for doubt in doubts:
        logger.warning("%s: %s", image, doubt)
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
    """Give the empty voxels around a brain the intensity of the nearest voxel of the brain; a scalp is kept.

    Interpolation near the edge of a brain would otherwise read zeros that are no tissue.
    """
    empty = ~scan.brain & (scan.values == 0)
    nearest = distance_transform_edt(~scan.brain, return_distances=False, return_indices=True)
    return scan._replace(values=np.where(empty, scan.values[tuple(nearest)], scan.values))
