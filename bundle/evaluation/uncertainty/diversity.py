"""Whether sampled translations show the phenotypes of a class, and each as often as its scans do.

A phenotype is the set of parcels that are lesioned.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from bundle.evaluation.bootstrap import Bootstrap
from bundle.evaluation.ground_truth.changes import Phenotype, count_parcels

NUM_COHORTS = 2000  # simulated sets of scans, from which the distance of a perfect sampler is estimated


def detect_phenotypes(maps: Tensor, change: Tensor, parcel_map: Tensor, threshold: float = 0.5) -> list[Phenotype]:
    """Return which parcels each map shows as lesioned: those whose mean is more than a share of that of the full lesion.

    Maps (N, C, H, W[, D]) and the change by lesioning all parcels (C, H, W[, D]) are in network intensity.
    """
    labels = parcel_map.round()
    parcels = [int(label) for label in labels.unique().tolist() if label > 0]
    shown = [maps[:, labels == parcel].mean(1) / change[labels == parcel].mean() > threshold for parcel in parcels]  # (N,) each
    if not shown:
        return [()] * len(maps)
    return [tuple(parcel for parcel, is_shown in zip(parcels, row, strict=True) if is_shown) for row in zip(*shown, strict=True)]


def expect_variation(shares: Sequence[float], num_samples: int, seed: int = 0) -> float:
    """Return the mean total variation between a distribution (P,) and sets of independent draws from it."""
    probabilities = np.asarray(shares) / np.sum(shares)
    drawn = np.random.default_rng(seed).multinomial(num_samples, probabilities, size=NUM_COHORTS) / num_samples  # (R, P)
    return float(np.abs(drawn - probabilities).sum(1).mean() / 2)


def compare_phenotypes(drawn: Mapping[Phenotype, float], known: Mapping[Phenotype, float]) -> list[dict[str, Any]]:
    """Return the rows of `diversity.csv` on one source: how often each parcel and phenotype is drawn, and occurs in training."""
    rows = []
    parcels = [{(parcel,): share for parcel, share in count_parcels(shares).items()} for shares in (drawn, known)]
    for kind, (one, other) in (("parcel", parcels), ("phenotype", (drawn, known))):
        for phenotype in sorted({*one, *other}):
            name = "+".join(map(str, phenotype)) or "none"
            rows.append({"kind": kind, "parcels": name, "drawn": one.get(phenotype, 0.0), "training": other.get(phenotype, 0.0)})
    return rows


def summarise_diversity(
    scans: Sequence[Sequence[Phenotype]], known: Mapping[Phenotype, float], least: float, bootstrap: Bootstrap
) -> pd.DataFrame:
    """Summarise how the phenotypes of each scan's N translations differ from those of the training split, with their shares.

    Figures as in `metrics.csv`: `phenotype_distance`, the total variation (half the sum of absolute differences: 0 for equal
    distributions, 1 without overlap); `phenotypes_covered`, the share of those known that `least` of the translations show or
    more; and `perfect_distance`, the distance of N independent draws from the training split, as all scans are given the same N
    attributes.
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
    rows = [{"metric": name} | bootstrap.estimate(figure, len(scans)) for name, figure in figures.items()]
    perfect = expect_variation(list(known.values()), len(scans[0]), bootstrap.seed)
    return pd.DataFrame([*rows, {"metric": "perfect_distance", "mean": perfect, "n": len(scans)}])
