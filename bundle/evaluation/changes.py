"""What a translation should change, in the intensities of the network, as a distribution over the disease of its target class."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from bundle.data.parcels import lesioned_parcels, select_parcels
from bundle.evaluation.pairing import Row
from bundle.evaluation.truths import change_like, knows_effect, knows_parcels

Phenotype = tuple[int, ...]  # labels of the lesioned parcels, ascending


class Changes(NamedTuple):
    """True changes of one scan.

    Attributes:
        images: changes that the scan may show, network intensity, shape (M, C, H, W[, D]).
        shares: how often each of them occurs, shape (M,); they add to 1.
    """

    images: Tensor
    shares: Tensor

    def mean(self) -> Tensor:
        """Return the expected change, shape (C, H, W[, D])."""
        return torch.tensordot(self.shares, self.images, 1)

    def spread(self) -> Tensor:
        """Return the standard deviation of the change between subjects, shape (C, H, W[, D])."""
        return torch.tensordot(self.shares, (self.images - self.mean()).square(), 1).sqrt()

    def error(self, estimate: Tensor) -> Tensor:
        """Return the expected absolute error of an estimate of the change, shape (C, H, W[, D])."""
        return torch.tensordot(self.shares, (self.images - estimate).abs(), 1)


class Sample(NamedTuple):
    """Sampled maps of one scan beside its true changes, at the V voxels that count.

    Attributes:
        scan: the scan, loaded.
        maps: shape (N, C, H, W[, D]), network intensity.
        changes: the true changes.
        inside: voxels that count, shape (C, H, W[, D]): the brain, or the whole image without a mask.
    """

    scan: Row
    maps: Tensor
    changes: Changes
    inside: Tensor

    def select(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return maps (N, V), changes (M, V) and their shares (M,)."""
        images = self.maps[:, self.inside], self.changes.images[:, self.inside], self.changes.shares
        maps, changes, shares = (image.double().numpy() for image in images)
        return maps, changes, shares


def find_changes(scan: Row, target: int, phenotypes: Mapping[Phenotype, float]) -> Changes | None:
    """Return the true changes of a scan by translation to a class, as far as the cohort knows them.

    A change in scanner units is multiplied by the scale of the scan's intensities, and ends where these end, at -1 and 1.

    Args:
        scan: scan loaded by `MapScorer.load`; `unit` is its scale, network intensity a scanner unit.
        target: class that it is translated to.
        phenotypes: how often each set of parcels is lesioned in that class.

    Returns:
        The change by its own disease map or by removing its own lesion, which is one; by adding disease, one a phenotype; None
        where the cohort does not know it.
    """
    found = _in_scanner_units(scan, target, phenotypes) if "unit" in scan else None
    if found is None:
        return None
    changed = (scan["image"] + found.images * scan["unit"]).clamp(-1, 1)
    return Changes(changed - scan["image"], found.shares)


def find_phenotype(scan: Row) -> Phenotype:
    """Return the lesioned parcels of a diseased scan with `mask` and `parcel_map` loaded."""
    return tuple(lesioned_parcels(scan).int().tolist())


def _in_scanner_units(scan: Row, target: int, phenotypes: Mapping[Phenotype, float]) -> Changes | None:
    """Return the true changes in scanner units."""
    label = int(scan["label"])
    if "disease_map" in scan:
        sign = 1 if target > label else -1
        return _one(sign * scan["disease_map"]) if scan["changed_label"] == target else None
    if not knows_effect(scan):
        return None
    if label > 0:
        return _one(-change_like(scan, scan)) if target == 0 and knows_parcels(scan) else None
    if not phenotypes:
        return None
    sets = [select_parcels(scan["parcel_map"], torch.tensor(parcels, dtype=scan["parcel_map"].dtype)) for parcels in phenotypes]
    return Changes(scan["effect"] * torch.stack(sets), torch.tensor(list(phenotypes.values()), dtype=scan["effect"].dtype))


def _one(change: Tensor) -> Changes:
    return Changes(change[None], torch.ones(1, dtype=change.dtype))
