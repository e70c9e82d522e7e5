"""Walks of a scan to another class or age, in steps."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bundle.inference.overview import name_class


class ShownWalk(NamedTuple):
    """Images of a scan on the way to another class or age.

    Attributes:
        key: its name in the page.
        title: from where it leads whereto.
        texts: what each step is.
        images: intensities of the scan, shape (H, W, D, S).
    """

    key: str
    title: str
    texts: list[str]
    images: np.ndarray


def make_walks(
    images: Mapping[str, np.ndarray], row: Mapping[str, str], class_names: Sequence[str], age: float | None = None
) -> list[ShownWalk]:
    """Return the walks of a scan.

    Args:
        images: the walks that inference has written for the scan, by key, each of shape (H, W, D, S).
        row: its row of `predictions.csv`.
        class_names: names of the classes, if any.
        age: age in years that scans were translated to.
    """
    own, target = (name_class(int(row[key]), class_names) for key in ("predicted_class", "target_class"))
    walks = []
    if (steps := images.get("translated_steps")) is not None:
        texts = [f"{share:.0%} of the way to the mean of {target}" for share in np.linspace(0, 1, steps.shape[3])]
        walks.append(ShownWalk("translated_steps", f"Class: from this scan ({own}) to {target}", _number(texts), steps))
    if (steps := images.get("translated_value_steps")) is not None and age is not None:
        start = float(row["predicted_age"])
        texts = [f"{years:.1f} years" for years in np.linspace(start, age, steps.shape[3])]
        walks.append(ShownWalk("translated_value_steps", f"Age: from {start:.1f} to {age:g} years", _number(texts), steps))
    return walks


def _number(texts: Sequence[str]) -> list[str]:
    return [f"step {place} of {len(texts)}, {text}" for place, text in enumerate(texts, start=1)]
