"""The test split: which of its scans are seen anatomies, which are of one participant, and which are references of which."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import Dataset
from torch import Tensor
from tqdm import tqdm

from bundle.cohorts.identity import label_class
from bundle.data import check_mask
from bundle.evaluation.known_scans import Row, Scan, plain, read_scan

NAMES = ("participant_id", "session_id")  # columns that tables take over
CONVERTER, REPEAT = "converter", "repeat"  # pairs of scans of two classes, and of one


class Split:
    """Scans of a split.

    Args:
        dataset: scans, transformed; its `data` are the entries of the data list.
        num_classes: number of classes, K.
        train: scans of the training split, likewise, by which anatomies are seen; None for a split without reference scans.
        cohort: name of the cohort in the tables.
        seed: seed of the reference scans.
        batch_size: scans computed at once.
        class_names: names of the classes, in their order; empty where they are not known.

    Attributes:
        rows: entries of the data list.
        labels: classes, shape (N,).
        names: "seen" or "unseen" for each scan, "test" where that is unknown.
        pairs: position of the other scan of the same participant, by position.
        changed_labels: class that the disease map of each scan leads to, or None.
        references: for each scan the position of its reference scan, by target class, where there is one.

    Raises:
        ValueError: When there is a training split and no scan.
    """

    def __init__(
        self,
        dataset: Dataset,
        num_classes: int = 2,
        train: Dataset | None = None,
        cohort: str = "",
        seed: int = 0,
        batch_size: int = 8,
        class_names: Sequence[str] = (),
    ) -> None:
        self.dataset, self.num_classes, self.cohort, self.class_names = dataset, num_classes, cohort, list(class_names)
        self.seed, self.batch_size = seed, batch_size
        self.rows: Sequence[Row] = dataset.data
        if train is not None and not self.rows:
            raise ValueError(f"the cohort {cohort} has no row whose split is test, and the evaluation needs some")
        self.labels = np.array([int(row["label"]) for row in self.rows], dtype=int)
        self.pairs = find_pairs(self.rows)
        self.changed_labels = find_changed_labels(self.rows, self.pairs, num_classes)
        self.names = name_splits(self.rows, [] if train is None else train.data)
        self.references = [] if train is None else draw_references(self.rows, self.names, num_classes, seed)

    def __len__(self) -> int:
        """Return the number of scans, N."""
        return len(self.rows)

    def load(self, index: int) -> Scan:
        """Return a scan; a ValueError is raised when it is diseased and its lesion mask empty."""
        row = self.rows[index]
        scan = read_scan(row, self.dataset[index], self.changed_labels[index])
        if scan.label > 0 and "mask" in row:
            check_mask(scan.mask, row["mask"])
        return scan

    def stack(self, indices: Sequence[int]) -> Tensor:
        """Return the images of some scans, shape (B, C, H, W[, D])."""
        return torch.stack([plain(self.dataset[i]["image"]) for i in indices])

    def stack_all(self, description: str) -> Iterator[Tensor]:
        """Yield the images of all scans in batches, with a progress bar."""
        return (self.stack(indices) for indices in self.batches(range(len(self)), description))

    def batches(self, indices: Sequence[int], description: str = "") -> Iterator[list[int]]:
        """Yield positions in batches, with a progress bar."""
        starts = range(0, len(indices), self.batch_size)
        for start in tqdm(starts, desc=description, unit="batch", disable=not starts or not description):
            yield list(indices[start : start + self.batch_size])

    def name_direction(self, source: int, target: int) -> str:
        """Return "-" for removing disease (1 -> 0) and "+" for adding it (0 -> 1); "source>target" with more than two classes."""
        if self.num_classes > 2:
            return f"{source}>{target}"
        return "-" if target == 0 else "+"

    def list_directions(self) -> list[tuple[int, int]]:
        """Return all pairs of a class and another one."""
        classes = range(self.num_classes)
        return [(source, target) for source in classes for target in classes if source != target]

    def has_reference(self, index: int, target: int) -> bool:
        """Return whether a scan has a reference scan of a class."""
        return bool(self.references) and target in self.references[index]

    def name_class(self, label: int) -> str:
        """Return a class as "1 AD", or "1" where its name is not known."""
        return label_class(int(label), self.class_names)

    def list_gaps(self) -> list[str]:
        """Return a sentence for each class that is missing as a reference, and for a split of one scan."""
        gaps = []
        for name in sorted(set(self.names)):
            members = [i for i, own in enumerate(self.names) if own == name]
            for target in range(self.num_classes if self.references else 0):
                lacking = [i for i in members if self.labels[i] != target and not self.has_reference(i, target)]
                if lacking:
                    gaps.append(
                        f"no {name} scan of class {self.name_class(target)}, of another participant, as the reference of"
                        f" {len(lacking)} scans: no maps of them towards it"
                    )
            if len(members) == 1:
                gaps.append(f"a single {name} scan: no intervals")
        return gaps

    def describe(self, index: int) -> dict[str, Any]:
        """Return the columns that identify a scan in the tables."""
        row = self.rows[index]
        names = {key: row[key] for key in NAMES if key in row}
        return {"scan": index} | names | {"split": self.names[index], "label": int(row["label"])}

    def describe_pair(self, index: int) -> dict[str, Any]:
        """Return the columns that identify a scan and the participant's other one in the tables."""
        other = self.rows[self.pairs[index]]
        label, pair_label = int(self.rows[index]["label"]), int(other["label"])
        return self.describe(index) | {
            "pair": other["session_id"],
            "pair_label": pair_label,
            "kind": REPEAT if label == pair_label else CONVERTER,
            "direction": "" if label == pair_label else self.name_direction(label, pair_label),
        }


def name_splits(test: Sequence[Row], train: Sequence[Row]) -> list[str]:
    """Return "seen" or "unseen" for each test scan, whether its anatomy is one of training; "test" without a column `anatomy`."""
    if not all(row.get("anatomy") for row in test):
        return ["test"] * len(test)
    seen = {row.get("anatomy") for row in train}
    return ["seen" if row["anatomy"] in seen else "unseen" for row in test]


def draw_references(rows: Sequence[Row], splits: Sequence[str], num_classes: int, seed: int = 0) -> list[dict[int, int]]:
    """Draw for each scan one reference scan of each other class, from its own split and of another participant.

    Returns for each entry the position of its reference scan by target class. The draws depend on `seed` and on who is in the
    test split, not on the order of its rows or on batches. Where there is none the class is left out.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287), exemplar translation of test scans.
    """
    keys = [(str(row["participant_id"]), int(row["label"]), str(row.get("session_id", ""))) for row in rows]
    order = sorted(range(len(rows)), key=keys.__getitem__)
    generator = np.random.default_rng(seed)
    references: list[dict[int, int]] = [{} for _ in rows]
    for index in order:
        participant, label = rows[index]["participant_id"], int(rows[index]["label"])
        for target in (target for target in range(num_classes) if target != label):
            pool = [i for i in order if splits[i] == splits[index] and int(rows[i]["label"]) == target]
            others = [i for i in pool if rows[i]["participant_id"] != participant]
            if others:
                references[index][target] = others[generator.integers(len(others))]
    return references


def find_pairs(rows: Sequence[Row]) -> dict[int, int]:
    """Return the position of the other scan that a scan's column `pair` names, by position, where it is in the split."""
    sessions = {(row["participant_id"], row["session_id"]): index for index, row in enumerate(rows) if "session_id" in row}
    named = {index: (row["participant_id"], row["pair"]) for index, row in enumerate(rows) if "pair" in row}
    return {index: sessions[name] for index, name in named.items() if name in sessions and sessions[name] != index}


def find_changed_labels(rows: Sequence[Row], pairs: Mapping[int, int], num_classes: int) -> list[int | None]:
    """Return the class that the disease map of each scan leads to: that of its pair, and without a pair the only other one.

    None where there is no disease map, and where three or more classes leave it open.
    """
    labels: list[int | None] = [None] * len(rows)
    for index, row in enumerate(rows):
        if "disease_map" in row and index in pairs:
            labels[index] = int(rows[pairs[index]]["label"])
        elif "disease_map" in row and "pair" not in row and num_classes == 2:
            labels[index] = 1 - int(row["label"])
    return labels
