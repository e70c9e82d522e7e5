"""The scans that an examination takes: a few of each split, of one class, towards another."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from bundle.evaluation.encoding import split_range
from bundle.evaluation.pairing import name_direction
from bundle.evaluation.scorer import MapScorer


class Case(NamedTuple):
    """Scans of one class, and the class that their maps lead to.

    Attributes:
        source: class of the scans.
        target: the other class.
        direction: name of the direction in the tables.
        indices: positions in the test split.
        batch_size: scans explained at once.
    """

    source: int
    target: int
    direction: str
    indices: list[int]
    batch_size: int

    def split(self, what: str) -> Iterator[list[int]]:
        """Yield the positions in batches, with a progress bar that says `what` is done."""
        batches = list(split_range(len(self.indices), self.batch_size))
        for positions in tqdm(batches, desc=f"{what} ({self.direction})", unit="batch"):
            yield [self.indices[i] for i in positions]


def choose_scans(
    scorer: MapScorer, source: int, target: int, count: int | None = None, batch_size: int = 8, seed: int = 0
) -> Case:
    """Draw scans of a class from each split.

    Args:
        scorer: the test scans and their splits.
        source: class of the scans.
        target: class that maps lead to.
        count: at most so many from each split; None for all.
        batch_size: scans explained at once.
        seed: seed of the draw.

    Raises:
        ValueError: When `count` is below 1.
    """
    if count is not None and count < 1:
        raise ValueError(f"at least 1 scan of each split is needed, got {count}; null takes all")
    labels = [int(row["label"]) for row in scorer.test.data]
    chosen: list[int] = []
    for split in sorted(set(scorer.splits)):
        members = [i for i, label in enumerate(labels) if label == source and scorer.splits[i] == split]
        chosen += sorted(np.random.default_rng(seed).permutation(members)[:count].astype(int).tolist())
    return Case(source, target, name_direction(source, target, scorer.num_classes), chosen, batch_size)


def list_directions(num_classes: int, sources: Sequence[int] | None = None) -> list[tuple[int, int]]:
    """Return all pairs of a class and another one.

    Args:
        num_classes: number of classes, K.
        sources: first classes; None for all.
    """
    firsts = range(num_classes) if sources is None else sources
    return [(source, target) for source in firsts for target in range(num_classes) if source != target]
