"""What the training split shows of each class."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from monai.data import Dataset
from torch import Tensor
from tqdm import tqdm

from bundle.evaluation.ground_truth.changes import Phenotype, count_parcels, count_shares, find_phenotype
from bundle.evaluation.known_scans import plain, read_scan
from bundle.ranks import share_work


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


class TrainingClasses:
    """The classes of the training split. All scans of a class are read once, when it is first needed.

    Args:
        dataset: items with `image`, and with `mask` and `parcel_map` where the cohort has them; its `data` are the rows.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._known: dict[int, TrainingClass] = {}

    def describe(self, label: int) -> TrainingClass:
        """Return a class; a ValueError is raised when the split has no scan of it."""
        if label not in self._known:
            self._known[label] = self._read(label)
        return self._known[label]

    def read(self, labels: Sequence[int]) -> None:
        """Read the scans of some classes, each in one of the processes of a run, which all call this."""
        missing = [label for label in labels if label not in self._known]
        self._known |= dict(zip(missing, share_work(missing, self._read), strict=True))

    def pick_scan(self, label: int, seed: list[int]) -> Tensor:
        """Return a scan of a class, drawn with a seed, shape (C, H, W[, D])."""
        members = self.describe(label).members
        return plain(self.dataset[members[np.random.default_rng(seed).integers(len(members))]]["image"])

    def mean_age(self) -> float:
        """Return the mean age of the split, years; NaN without a column `age`."""
        ages = [float(row["age"]) for row in self.dataset.data if "age" in row]
        return float(np.mean(ages)) if ages else np.nan

    def _read(self, label: int) -> TrainingClass:
        rows = self.dataset.data
        members = [i for i, row in enumerate(rows) if int(row["label"]) == label]
        if not members:
            raise ValueError(f"the training split has no scan of class {label}, which the trivial maps need")
        total, found = None, []
        for index in tqdm(members, desc=f"training scans of class {label}", unit="scan"):
            scan = read_scan(rows[index], self.dataset[index])
            image = scan.image.double()
            total = image if total is None else total + image
            if label > 0 and scan.has_parcels:
                found.append(find_phenotype(scan))
        assert total is not None
        phenotypes = count_shares(found)
        return TrainingClass(members, (total / len(members)).float(), count_parcels(phenotypes), phenotypes)
