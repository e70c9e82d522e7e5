"""What the training split tells of a class."""

from typing import NamedTuple

import numpy as np
import torch
from monai.data import Dataset
from torch import Tensor
from tqdm import tqdm

from bundle.evaluation.changes import Phenotype, find_phenotype
from bundle.evaluation.encoding import plain
from bundle.evaluation.truths import knows_parcels
from bundle.evaluation.variety import count_shares, parcel_shares


class TrainingClass(NamedTuple):
    """A class of the training split.

    Attributes:
        members: positions of its scans in the split.
        mean: mean scan, intensities in [-1, 1], shape (C, H, W[, D]).
        frequencies: how often each parcel is lesioned, by its label in the parcel maps; empty without masks and parcel maps.
        phenotypes: how often each set of parcels is; likewise.
    """

    members: list[int]
    mean: Tensor
    frequencies: dict[int, float]
    phenotypes: dict[Phenotype, float]


def describe_class(train: Dataset, label: int) -> TrainingClass:
    """Read all training scans of a class.

    Args:
        train: items with `image`, and with `mask` and `parcel_map` where the cohort has them; its `data` are the rows.
        label: the class.

    Raises:
        ValueError: When the split has no scan of the class.
    """
    members = [i for i, row in enumerate(train.data) if int(row["label"]) == label]
    if not members:
        raise ValueError(f"the training split has no scan of class {label}, which the trivial maps need")
    total = torch.zeros_like(plain(train[members[0]]["image"]), dtype=torch.float64)
    found = []
    for index in tqdm(members, desc=f"training scans of class {label}", unit="scan"):
        item = train[index]
        total += plain(item["image"])
        if label > 0 and knows_parcels(item):
            found.append(find_phenotype(item))
    phenotypes = count_shares(found)
    frequencies = {parcel: share for (parcel,), share in parcel_shares(phenotypes).items()}
    return TrainingClass(members, (total / len(members)).float(), frequencies, phenotypes)


def pick_scan(train: Dataset, members: list[int], seed: list[int]) -> Tensor:
    """Return a training scan of a class, drawn with a seed, shape (C, H, W[, D])."""
    return plain(train[members[np.random.default_rng(seed).integers(len(members))]]["image"])
