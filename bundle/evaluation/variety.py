"""Whether drawn translations show the phenotypes of a class, and each as often as its scans do.

A phenotype is the set of parcels that are lesioned.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from bundle.evaluation.changes import Phenotype
from bundle.evaluation.estimates import estimate

NUM_COHORTS = 2000  # simulated sets of scans, from which the distance of a perfect sampler is estimated


def tell_phenotypes(maps: Tensor, change: Tensor, parcel_map: Tensor, threshold: float = 0.5) -> list[Phenotype]:
    """Tell which parcels each map shows as lesioned: those whose mean is more than a share of that of the full lesion.

    Args:
        maps: sampled maps of a scan, network intensity, shape (N, C, H, W[, D]).
        change: change by lesioning all parcels, likewise, shape (C, H, W[, D]).
        parcel_map: label of the parcel of each voxel, 0 outside, same shape.
        threshold: the share.
    """
    labels = parcel_map.round()
    parcels = [int(label) for label in labels.unique().tolist() if label > 0]
    shown = [maps[:, labels == parcel].mean(1) / change[labels == parcel].mean() > threshold for parcel in parcels]  # (N,) each
    if not shown:
        return [()] * len(maps)
    return [tuple(parcel for parcel, is_shown in zip(parcels, row, strict=True) if is_shown) for row in zip(*shown, strict=True)]


def count_shares(phenotypes: Iterable[Phenotype]) -> dict[Phenotype, float]:
    """Return how often each phenotype occurs, by phenotype in ascending order."""
    counts = Counter(phenotypes)
    return {phenotype: counts[phenotype] / counts.total() for phenotype in sorted(counts)}


def parcel_shares(phenotypes: Mapping[Phenotype, float]) -> dict[Phenotype, float]:
    """Return how often each parcel is lesioned, whatever the others are, by the set of this parcel alone."""
    parcels = sorted({parcel for phenotype in phenotypes for parcel in phenotype})
    return {(parcel,): sum(share for phenotype, share in phenotypes.items() if parcel in phenotype) for parcel in parcels}


def total_variation(first: Mapping[Phenotype, float], second: Mapping[Phenotype, float]) -> float:
    """Return half the sum of the absolute differences of two distributions: 0 for equal ones, 1 for ones without overlap."""
    return sum(abs(first.get(key, 0) - second.get(key, 0)) for key in first.keys() | second.keys()) / 2


def expect_variation(shares: Sequence[float], num_samples: int, seed: int = 0) -> float:
    """Return the mean total variation between a distribution and a set of independent draws from it: that of a perfect sampler.

    Args:
        shares: the distribution, shape (P,).
        num_samples: draws in a set.
        seed: of the simulated sets.
    """
    probabilities = np.asarray(shares) / np.sum(shares)
    drawn = np.random.default_rng(seed).multinomial(num_samples, probabilities, size=NUM_COHORTS) / num_samples  # (R, P)
    return float(np.abs(drawn - probabilities).sum(1).mean() / 2)


def compare_phenotypes(drawn: Mapping[Phenotype, float], known: Mapping[Phenotype, float]) -> list[dict[str, Any]]:
    """Return the rows of `variety.csv` on one sampler: each parcel and each phenotype, how often drawn and how often in training.

    Args:
        drawn: how often each phenotype is drawn.
        known: how often it occurs in the training split.
    """
    rows = []
    for kind, one, other in (
        ("parcel", parcel_shares(drawn), parcel_shares(known)),
        ("phenotype", drawn, known),
    ):
        for phenotype in sorted({*one, *other}):
            name = "+".join(map(str, phenotype)) or "none"
            rows.append({"kind": kind, "parcels": name, "drawn": one.get(phenotype, 0.0), "training": other.get(phenotype, 0.0)})
    return rows


def summarise_variety(
    scans: Sequence[Sequence[Phenotype]], known: Mapping[Phenotype, float], least: float, **interval: Any
) -> pd.DataFrame:
    """Summarise how the phenotypes of drawn translations differ from those of the training split.

    Args:
        scans: for each scan the phenotypes of its translations, N a scan.
        known: how often each phenotype occurs in the training split.
        least: share of the translations from which on a phenotype counts as covered.
        interval: `level`, `num_resamples` and `seed` of the bootstrap over scans.

    Returns:
        Figures as in `metrics.csv`: `phenotype_distance`, the total variation; `perfect_distance`, that of N independent draws
        from the training split, as all scans are given the same N attributes; and `phenotypes_covered`, a share of those known.
    """
    names = sorted({*known, *(phenotype for scan in scans for phenotype in scan)})
    counts = np.array([[scan.count(name) / len(scan) for name in names] for scan in scans])  # (S, P)
    wanted = np.array([known.get(name, 0.0) for name in names])

    def shares(weights: np.ndarray) -> np.ndarray:
        return weights @ counts / weights.sum(1, keepdims=True)

    figures = {
        "phenotype_distance": lambda weights: np.abs(shares(weights) - wanted).sum(1) / 2,
        "phenotypes_covered": lambda weights: (shares(weights) >= least)[:, wanted > 0].mean(1),
    }
    rows = [{"metric": name} | estimate(figure, len(scans), **interval) for name, figure in figures.items()]
    perfect = expect_variation(list(known.values()), len(scans[0]), interval.get("seed", 0))
    return pd.DataFrame([*rows, {"metric": "perfect_distance", "mean": perfect, "n": len(scans)}])

