"""Which test scans can be read, so that a bad one does not stop the others."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from tqdm import tqdm

from bundle.data import datalist
from bundle.data.scans import check_mask

logger = logging.getLogger(__name__)


class Screening:
    """Read every scan once, and leave out those that cannot be read or prepared.

    A participant whose other scan is left out has no pair any more.

    Args:
        items: entries of a data list.
        transform: the preprocessing; its images are not kept.

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
                self.reasons.append(_find_reason(error))
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


def _find_reason(error: BaseException) -> str:
    """Return the message of the first cause of an error, in one line."""
    while error.__cause__ is not None and not isinstance(error, ValueError | OSError):
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def list_validation(manifest: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the validation split as a data list; empty where the cohort has none, as it is not necessary for an evaluation.

    Args:
        manifest: table from `read_manifest`.
    """
    return datalist(manifest, "validation") if (manifest["split"] == "validation").any() else []
