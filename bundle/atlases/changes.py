"""How much a map changes each region."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage

from bundle.atlases.atlas import Atlas, find_overlap
from bundle.data.geometry import vertical_axis, voxels_on_plane

THRESHOLD = 0.1  # network intensity, 5 % of a scan's range: larger changes count into the volume
LEAST_OVERLAP = 0.85  # Dice's coefficient of brains of a scan in MNI space and of the template


class Placed(NamedTuple):
    """An image with the place of its voxels in MNI space.

    Attributes:
        values: Shape (H, W, D).
        affine: Matrix from voxels to MNI space in mm (RAS), shape (4, 4); of a head that leads through its preparation.
        edges: Matrix from voxels to the world of the image itself in mm, shape (4, 4), which says how large a voxel is.
    """

    values: np.ndarray
    affine: np.ndarray
    edges: np.ndarray


def check_place(scan: Placed, least_overlap: float = LEAST_OVERLAP) -> None:
    """Refuse a scan that does not lie in MNI space, by the overlap of its brain with that of the MNI152 average.

    Args:
        scan: Scan with background zero.
        least_overlap: Dice's coefficient from which on a scan is taken.

    Raises:
        ValueError: When it overlaps less.
    """
    overlap = find_overlap(scan.values != 0, scan.affine)
    if overlap < least_overlap:
        raise ValueError(
            f"not in MNI space: what is not background overlaps with the brain of MNI152 by {overlap:.2f} (Dice), accepted is"
            f" {least_overlap:g} or more (least_overlap)"
        )


def label_voxels(change: Placed, atlas: Atlas, plane: float | None = None) -> np.ndarray:
    """Return the label of each voxel of a map, shape (H, W, D), int32, 0 outside of all regions; arguments as below."""
    labels = atlas.label(change.values.shape, change.affine)
    if plane is not None and labels.shape[vertical_axis(change.affine)] > 1:
        shown = np.zeros(labels.shape, dtype=bool)
        shown[*voxels_on_plane(change.affine, labels.shape, plane)] = True
        labels *= shown
    return labels


def measure_changes(change: Placed, atlas: Atlas, threshold: float = THRESHOLD, plane: float | None = None) -> pd.DataFrame:
    """Return how much a map changes each region of an atlas that it covers.

    Args:
        change: Map, network intensity.
        atlas: The atlas.
        threshold: Magnitude above which a voxel's change counts into the volume, network intensity.
        plane: World z in mm of the one axial slice of a volume that the map shows; None where it shows the whole volume.

    Returns:
        One row a region and side: `region`, `side`, `mean` (network intensity, over the voxels of the region), `extreme` (the
        value of largest magnitude), `volume_ml` (of the voxels that change by more than the threshold) and `region_ml` (of all).
    """
    labels = label_voxels(change, atlas, plane)
    voxel = abs(float(np.linalg.det(change.edges[:3, :3]))) / 1000  # ml
    present = [label for label in np.unique(labels).tolist() if label]
    if not present:
        return pd.DataFrame(columns=["region", "side", "mean", "extreme", "volume_ml", "region_ml"])
    values = change.values.astype(np.float64)
    lowest, highest = (np.asarray(find(values, labels, present)) for find in (ndimage.minimum, ndimage.maximum))
    return pd.DataFrame(
        {
            "region": [atlas.regions[label].name for label in present],
            "side": [atlas.regions[label].side for label in present],
            "mean": ndimage.mean(values, labels, present),
            "extreme": np.where(highest >= -lowest, highest, lowest),
            "volume_ml": voxel * np.asarray(ndimage.sum_labels(np.abs(values) > threshold, labels, present)),
            "region_ml": voxel * np.asarray(ndimage.sum_labels(labels > 0, labels, present)),
        }
    )
