"""A scan, with what its cohort has of its disease."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.data import MetaTensor
from torch import Tensor

from bundle.data.intensities import INTENSITY_RANGE
from bundle.data.parcels import lesioned_parcels, select_parcels
from bundle.data.scans import without_metadata

Row = Mapping[str, Any]  # a scan's entry of a data list: image, label, participant_id and what else the cohort has
TRUTHS = ("mask", "brain_mask", "effect", "parcel_map", "disease_map", "regions")


class Scan(NamedTuple):
    """A loaded scan. Its images have the shape (C, H, W[, D]) and are None where the cohort lacks them.

    Attributes:
        row: its entry of the data list.
        label: class.
        image: intensities in [-1, 1].
        mask: 1 inside the lesion.
        brain_mask: 1 inside the brain.
        effect: change by lesioning all parcels, scanner units.
        parcel_map: label of the parcel of each voxel, 0 outside.
        disease_map: what the disease adds between two states of the participant, scanner units.
        regions: labels of anatomical structures.
        changed_label: class that the disease map leads to.
        unit: a scanner unit in the intensities of the network, where the transforms have noted it.
        affine: voxel to world matrix in mm (RAS), shape (4, 4), where the transforms have noted it.
    """

    row: Row
    label: int
    image: Tensor
    mask: Tensor | None = None
    brain_mask: Tensor | None = None
    effect: Tensor | None = None
    parcel_map: Tensor | None = None
    disease_map: Tensor | None = None
    regions: Tensor | None = None
    changed_label: int | None = None
    unit: float | None = None
    affine: np.ndarray | None = None

    @property
    def has_parcels(self) -> bool:
        """Whether the cohort has which parcels of the scan are lesioned."""
        return self.mask is not None and self.parcel_map is not None

    @property
    def brain(self) -> Tensor:
        """Voxels of the brain; all voxels where there is no mask."""
        return torch.ones_like(self.image, dtype=torch.bool) if self.brain_mask is None else self.brain_mask > 0.5

    def find_parcels(self) -> Tensor:
        """Return the labels of the lesioned parcels, shape (P,)."""
        return lesioned_parcels({"mask": self.mask, "parcel_map": self.parcel_map})

    def select_parcels(self, labels: Tensor) -> Tensor:
        """Mark parcels of the scan, shape (C, H, W[, D])."""
        assert self.parcel_map is not None
        return select_parcels(self.parcel_map, labels.to(self.parcel_map))

    def change_like(self, diseased: "Scan") -> Tensor | None:
        """Return the exact change by lesioning the parcels of a diseased scan, scanner units; None where it is not known."""
        if self.effect is None or self.parcel_map is None or not diseased.has_parcels:
            return None
        return self.effect * self.select_parcels(diseased.find_parcels())

    def expect_change(self, frequencies: Mapping[int, float]) -> Tensor | None:
        """Return the mean change where parcels are lesioned so often, by label, scanner units; None where it is not known."""
        if self.effect is None or self.parcel_map is None:
            return None
        weight = torch.zeros_like(self.effect)
        for label, frequency in frequencies.items():
            weight += frequency * (self.parcel_map.round() == label)
        return self.effect * weight


def read_scan(row: Row, item: Row, changed_label: int | None = None) -> Scan:
    """Return a scan as plain tensors, of its entry of the data list (`row`) and the same with loaded images (`item`)."""
    scale = getattr(item["image"], "meta", {}).get(INTENSITY_RANGE)
    unit = None if scale is None else float(2 / (scale[1] - scale[0]))
    truths = {key: plain(item[key]) for key in TRUTHS if key in item}
    affine = item["image"].affine.numpy() if isinstance(item["image"], MetaTensor) else None
    return Scan(row, int(row["label"]), plain(item["image"]), **truths, changed_label=changed_label, unit=unit, affine=affine)


def plain(image: Any) -> Tensor:
    """Return an image without MONAI's metadata, single precision."""
    return without_metadata(image).float()
