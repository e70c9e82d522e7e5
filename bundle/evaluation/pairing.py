"""Which test scans are taken, which count as seen, which lends its attribute to which, and which are of one participant."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

PAIRS = "pairs"  # protocol, in metrics.csv, of figures on two scans of one participant
CONVERTER, REPEAT = "converter", "repeat"  # pairs of two classes, and of one
Row = Mapping[str, Any]  # a scan's entry of a datalist: image, label, participant_id and what else the cohort has


def name_splits(test: Sequence[Row], train: Sequence[Row]) -> list[str]:
    """Say of each test scan whether its anatomy was seen in training.

    Args:
        test: entries of the test split.
        train: entries of the training split.

    Returns:
        "seen" or "unseen" for each entry of `test`; "test" for all when the cohort has no column `anatomy`.
    """
    if not all(row.get("anatomy") for row in test):
        return ["test"] * len(test)
    seen = {row.get("anatomy") for row in train}
    return ["seen" if row["anatomy"] in seen else "unseen" for row in test]


def draw_participants(test: Sequence[Row], train: Sequence[Row], count: int | None, seed: int = 0) -> list[Row]:
    """Draw participants of the test split, for methods that take long, with all their scans.

    The draw depends on `seed` and on who is in the test split, not on the order of its rows.

    Args:
        test: entries of the test split.
        train: entries of the training split.
        count: participants of seen and of unseen anatomies; None for all.
        seed: seed of the draw.

    Returns:
        Entries of `test`, in their order.

    Raises:
        ValueError: When `count` is no positive number, or leaves out a class.
    """
    if count is None:
        return list(test)
    if not isinstance(count, int) or count < 1:
        raise ValueError(f"test_participants must be null or at least 1, got {count}")
    splits = {row["participant_id"]: split for row, split in zip(test, name_splits(test, train), strict=True)}
    generator = np.random.default_rng(seed)
    drawn: set[str] = set()
    for split in sorted(set(splits.values())):
        names = sorted(name for name in splits if splits[name] == split)
        drawn |= set(generator.permutation(names)[:count].tolist())
    taken = [row for row in test if row["participant_id"] in drawn]
    classes = {(splits[row["participant_id"]], row["label"]) for row in test}
    missing = sorted(classes - {(splits[row["participant_id"]], row["label"]) for row in taken})
    if missing:
        split, label = missing[0]
        raise ValueError(f"test_participants {count} leaves no {split} scan of class {label}: take more, or null for all")
    return taken


def draw_references(
    rows: Sequence[Row], splits: Sequence[str], num_classes: int, seed: int = 0
) -> list[dict[int, int]]:
    """Draw for each scan one reference scan of each other class, from its own split and of another participant.

    The draws depend on `seed` and on who is in the test split, not on the order of its rows or on batches.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287), exemplar translation of test scans.

    Args:
        rows: entries of the test split.
        splits: split of each entry.
        num_classes: number of classes, K.
        seed: seed of the draw.

    Returns:
        For each entry the index of its reference scan by target class.

    Raises:
        ValueError: When a split has no scan of a class that another participant could lend.
    """
    order = sorted(range(len(rows)), key=lambda i: _identity(rows[i]))
    generator = np.random.default_rng(seed)
    references: list[dict[int, int]] = [{} for _ in rows]
    for index in order:
        participant, label = rows[index]["participant_id"], int(rows[index]["label"])
        for target in (target for target in range(num_classes) if target != label):
            pool = [i for i in order if splits[i] == splits[index] and int(rows[i]["label"]) == target]
            lenders = [i for i in pool if rows[i]["participant_id"] != participant]
            if not lenders:
                raise ValueError(
                    f"no {splits[index]} scan of class {target} can be the reference of {participant}: the test split needs "
                    "scans of each class, of two participants at least, on the seen and on the unseen anatomies"
                )
            references[index][target] = lenders[generator.integers(len(lenders))]
    return references


def name_direction(source: int, target: int, num_classes: int) -> str:
    """Return "-" for removing disease (1 -> 0) and "+" for adding it (0 -> 1); "source>target" with more than two classes."""
    if num_classes > 2:
        return f"{source}>{target}"
    return "-" if target == 0 else "+"


def find_pairs(rows: Sequence[Row]) -> dict[int, int]:
    """Find for each scan the other scan of the same participant that its column `pair` names.

    Args:
        rows: entries of the test split.

    Returns:
        Position of the other scan by position; scans whose other one is not in the split are left out.
    """
    sessions = {(row["participant_id"], row["session_id"]): index for index, row in enumerate(rows) if "session_id" in row}
    named = {index: (row["participant_id"], row["pair"]) for index, row in enumerate(rows) if "pair" in row}
    return {index: sessions[name] for index, name in named.items() if name in sessions and sessions[name] != index}


def find_changed_labels(rows: Sequence[Row], pairs: Mapping[int, int], num_classes: int) -> list[int | None]:
    """Say to which class the disease map of each scan leads: that of its pair, and without a pair the only other one.

    Args:
        rows: entries of the test split.
        pairs: position of the other scan of the same participant by position, from `find_pairs`.
        num_classes: number of classes, K.

    Returns:
        A class for each entry; None where there is no disease map, and where three or more classes leave it open.
    """

    def find(index: int, row: Row) -> int | None:
        """Return the class of the pair's other scan, or the only other class."""
        if "disease_map" not in row:
            return None
        if index in pairs:
            return int(rows[pairs[index]]["label"])
        return 1 - int(row["label"]) if num_classes == 2 and "pair" not in row else None

    return [find(index, row) for index, row in enumerate(rows)]


def _identity(row: Row) -> tuple[str, int, str]:
    return str(row["participant_id"]), int(row["label"]), str(row.get("session_id", ""))
