"""What a translation should change, in the intensities of the network, as a distribution over the disease of its target class.

A phenotype is the set of parcels that are lesioned.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from bundle.evaluation.known_scans import Scan

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


def find_changes(scan: Scan, target: int, phenotypes: Mapping[Phenotype, float]) -> Changes | None:
    """Return the true changes of a scan by translation to a class, as far as the cohort has them; None where it has none.

    There is one by the scan's own disease map, one by removing its own lesion, and by adding disease one for each phenotype of
    the class (given with its share). A change in scanner units is multiplied by the scale of the scan's intensities, and ends
    where these end, at -1 and 1.
    """
    images, shares = None, torch.ones(1)
    if scan.disease_map is not None:
        if scan.changed_label == target:
            images = scan.disease_map[None] if target > scan.label else -scan.disease_map[None]
    elif scan.label > 0:
        lesion = scan.change_like(scan)
        images = -lesion[None] if target == 0 and lesion is not None else None
    elif scan.effect is not None and scan.parcel_map is not None and phenotypes:
        images = scan.effect * torch.stack([scan.select_parcels(torch.tensor(parcels)) for parcels in phenotypes])
        shares = torch.tensor(list(phenotypes.values()), dtype=scan.effect.dtype)
    if images is None or scan.unit is None:
        return None
    return Changes((scan.image + images * scan.unit).clamp(-1, 1) - scan.image, shares)


def find_phenotype(scan: Scan) -> Phenotype:
    """Return the lesioned parcels of a diseased scan with `mask` and `parcel_map`."""
    return tuple(scan.find_parcels().int().tolist())


def count_shares(phenotypes: Iterable[Phenotype]) -> dict[Phenotype, float]:
    """Return how often each phenotype occurs, by phenotype in ascending order."""
    counts = Counter(phenotypes)
    return {phenotype: counts[phenotype] / counts.total() for phenotype in sorted(counts)}


def count_parcels(phenotypes: Mapping[Phenotype, float]) -> dict[int, float]:
    """Return how often each parcel is lesioned, whatever the others are, by its label."""
    parcels = sorted({parcel for phenotype in phenotypes for parcel in phenotype})
    return {parcel: sum(share for phenotype, share in phenotypes.items() if parcel in phenotype) for parcel in parcels}
