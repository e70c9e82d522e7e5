"""Which scans are evaluated: those of drawn participants that can be read."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from bundle.data import check_mask, datalist
from bundle.errors import find_cause, write_in_line
from bundle.evaluation.known_scans import Row
from bundle.evaluation.split import name_splits

logger = logging.getLogger(__name__)


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


class ReadableScans:
    """The scans of a data list that can be read and preprocessed, so that a bad one does not stop the others.

    A participant whose other scan is left out has no pair any more.

    Args:
        items: entries of a data list.
        transform: the preprocessing; its images are not kept.

    Attributes:
        items: entries of the readable scans.
        reasons: a sentence for each of the others.

    Raises:
        ValueError: When no scan can be read.
    """

    def __init__(self, items: Sequence[dict[str, Any]], transform: Callable[[Any], Any]) -> None:
        self.items: list[dict[str, Any]] = []
        self.reasons: list[str] = []
        for item in tqdm(items, desc="reading test scans", unit="scan"):
            try:
                images = transform(dict(item))
                if "brain_mask" in images:
                    check_mask(images["brain_mask"], item["brain_mask"])
                self.items.append(item)
            except Exception as error:
                self.reasons.append(write_in_line(find_cause(error)))
                logger.warning("%s is left out: %s", item["image"], self.reasons[-1])
        if not self.items:
            raise ValueError(f"none of {len(self.reasons)} test scans can be read; the first: {self.reasons[0]}")

    def finish(self) -> None:
        """End the program with status 1 and one sentence when scans were left out.

        Raises:
            SystemExit: When a scan was left out; MONAI does not wrap it in messages of its own.
        """
        if self.reasons:
            count = len(self.reasons) + len(self.items)
            raise SystemExit(
                f"{len(self.reasons)} of {count} test scans could not be read and are left out of all figures: "
                + "; ".join(self.reasons)
            )


def list_validation(manifest: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the validation split as a data list; empty where the cohort has none, as an evaluation does not need it.

    Args:
        manifest: table from `read_manifest`.
    """
    return datalist(manifest, "validation") if (manifest["split"] == "validation").any() else []
