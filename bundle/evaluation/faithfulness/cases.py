"""The scans by which faithfulness is measured: a few of each split, of one class, towards another."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from bundle.evaluation.explainers import Explainer
from bundle.evaluation.split import Split


class Case(NamedTuple):
    """Scans of one class, and the class that their maps lead to.

    Attributes:
        source: class of the scans.
        target: the other class.
        direction: name of the direction in the tables.
        indices: positions in the test split.
    """

    source: int
    target: int
    direction: str
    indices: list[int]


def list_cases(explainer: Explainer, count: int | None, seed: int = 0, to_controls: bool = False) -> Iterator[Case]:
    """Yield the directions that a method explains, with scans that are drawn for each.

    Args:
        explainer: the method.
        count: at most so many scans from each split; None for all.
        seed: seed of the draw.
        to_controls: whether directions to class 0 are enough.

    Raises:
        ValueError: When `count` is below 1.
    """
    for source, target in explainer.split.list_directions():
        if explainer.explains(source, target) and (target == 0 or not to_controls):
            case = draw_scans(explainer.split, source, target, count, seed)
            if case.indices:
                yield case


def draw_scans(split: Split, source: int, target: int, count: int | None = None, seed: int = 0) -> Case:
    """Draw scans of a class from seen and from unseen anatomies.

    Args:
        split: the test split.
        source: class of the scans.
        target: class that maps lead to.
        count: at most so many from each; None for all.
        seed: seed of the draw.

    Raises:
        ValueError: When `count` is below 1.
    """
    if count is not None and count < 1:
        raise ValueError(f"at least 1 scan of each split is needed, got {count}; null takes all")
    chosen: list[int] = []
    for name in sorted(set(split.names)):
        members = [i for i, label in enumerate(split.labels) if label == source and split.names[i] == name]
        chosen += sorted(np.random.default_rng(seed).permutation(members)[:count].astype(int).tolist())
    return Case(source, target, split.name_direction(source, target), chosen)
