"""The scans by which faithfulness is measured: a few of each split, of one class, towards another."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from bundle.evaluation.split import Split


class Case(NamedTuple):
    """Positions in the test split of scans of one class, the class that their maps lead to, and the direction in the tables."""

    target: int
    direction: str
    indices: list[int]


def list_cases(
    split: Split,
    explains: Callable[[int, int], bool],
    count: int | None = None,
    seed: int = 0,
    to_controls: bool = False,
) -> Iterator[Case]:
    """Yield the directions that a method explains, or those of them to class 0, with drawn scans.

    `count` scans are drawn of seen and as many of unseen anatomies; None takes all, and a count below 1 is refused.
    """
    if count is not None and count < 1:
        raise ValueError(f"at least 1 scan of each split is needed, got {count}; null takes all")
    for source, target in split.list_directions():
        if not explains(source, target) or (to_controls and target > 0):
            continue
        chosen: list[int] = []
        for name in sorted(set(split.names)):
            members = [i for i, label in enumerate(split.labels) if label == source and split.names[i] == name]
            members = [i for i in members if split.has_reference(i, target)]
            chosen += sorted(np.random.default_rng(seed).permutation(members)[:count].astype(int).tolist())
        if chosen:
            yield Case(target, split.name_direction(source, target), chosen)
