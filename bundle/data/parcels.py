"""Parcels of a scan: which of them are lesioned, and where a set of them lies."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def lesioned_parcels(scan: Mapping[str, Any]) -> Tensor:
    """Return the labels of the parcels that the lesion mask of a scan covers, shape (P,).

    Args:
        scan: scan with `mask` and `parcel_map` loaded.
    """
    labels = scan["parcel_map"][scan["mask"] > 0.5].round().unique()
    return labels[labels > 0]


def select_parcels(parcel_map: Tensor, labels: Tensor) -> Tensor:
    """Mark the voxels of a set of parcels: 1 inside and 0 outside, shape of `parcel_map`."""
    return torch.isin(parcel_map.round(), labels).to(parcel_map.dtype)
