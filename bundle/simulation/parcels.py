"""Lesions of cortical parcels: how much each voxel is brought to the intensity of cerebrospinal fluid (CSF)."""

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from bundle.simulation.anatomies import PARCELS

EDGE_WIDTH = 1.0  # mm from the border of a parcel to the full lesion; at least one voxel
LEAST_OCCUPANCY = 0.5  # part of a voxel that a parcel must fill
LEAST_CHANGE = 40.0  # scanner units; voxels that would change less are no part of a lesion
LEAST_EXTENT = 6.9  # mm; a parcel has at least the size of a square or cube with this edge
LEAST_MEAN_EFFECT = 150.0  # scanner units, per parcel: about a tenth of the CSF level


def soften(parcel: np.ndarray, voxel_size: float, edge_width: float = EDGE_WIDTH) -> np.ndarray:
    """Let a parcel, shape (H, W[, D]), bool, fade in from its border inwards.

    The weight, float32, reaches 1 at `edge_width` mm from the border and is zero outside; `voxel_size` is in mm.
    """
    distance = ndimage.distance_transform_edt(parcel) - 0.5  # voxels from the border to the voxel's centre
    return np.clip(distance * voxel_size / edge_width, 0, 1).astype(np.float32)


def compute_weights(parcels: torch.Tensor, voxel_size: float, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute lesion weights from a label map on a fine grid and average them to the grid of the image.

    Args:
        parcels: Label map on the fine grid, shape (1, 1, H * factor, W * factor[, D * factor]).
        voxel_size: Edge of a voxel of the image in mm.
        factor: Fine voxels per voxel of the image along each axis.

    Returns:
        Label map and lesion weight in [0, 1], each (1, 1, H, W[, D]); the weight is zero outside the parcels.
    """
    pool = {2: functional.avg_pool2d, 3: functional.avg_pool3d}[parcels.ndim - 2]
    parcel_map = torch.zeros([1, 1, *[size // factor for size in parcels.shape[2:]]], dtype=torch.uint8)
    weight = torch.zeros(parcel_map.shape)
    fine_size = voxel_size / factor
    for label in range(1, len(PARCELS) + 1):
        parcel = parcels == label
        occupied = pool(parcel.float(), factor) >= LEAST_OCCUPANCY
        soft = torch.from_numpy(soften(parcel[0, 0].numpy(), fine_size, max(EDGE_WIDTH, fine_size)))[None, None]
        parcel_map[occupied] = label
        weight = torch.where(occupied, pool(soft, factor), weight)
    return parcel_map, weight


def have_effect(parcel_map: torch.Tensor, effect: torch.Tensor, voxel_size: float) -> bool:
    """Check whether every parcel is large enough and changes the image enough to be seen.

    No parcel may be smaller than `LEAST_EXTENT` or change less than `LEAST_MEAN_EFFECT` on average. The label map of what
    changes and the effect, zero elsewhere, have shape (1, 1, H, W[, D]); `voxel_size` is in mm.
    """
    least_voxels = (LEAST_EXTENT / voxel_size) ** (effect.ndim - 2)
    for label in range(1, len(PARCELS) + 1):
        change = effect[parcel_map == label]
        if len(change) < least_voxels or change.mean() < LEAST_MEAN_EFFECT:
            return False
    return True
