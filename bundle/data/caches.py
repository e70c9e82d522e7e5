"""Scans that are kept in memory: what is doubtful about them, and which cannot be read."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monai.data import CacheDataset, MetaTensor

from bundle.data.headers import WARNINGS_KEY
from bundle.data.samplers import note_seed, seed_draw
from bundle.data.scans import name_of
from bundle.errors import find_cause, write_in_line

SHOWN = 10  # reasons in a message

logger = logging.getLogger(__name__)


class CachedScans(CacheDataset):
    """MONAI's CacheDataset, which reads on when a scan cannot be read, and logs what is doubtful once, with the number of files.

    Args:
        data: entries of a data list.
        transform: the preprocessing and augmentation.
        settings: further arguments of `CacheDataset`.

    Attributes:
        reasons: a sentence for each scan that cannot be used, by its position.
        warnings: scans and sentences on what is doubtful about them.
    """

    def __init__(self, data: Sequence[Any], transform: Callable[[Any], Any], **settings: Any) -> None:
        self.reasons: dict[int, str] = {}
        self.warnings: list[tuple[str, str]] = []
        super().__init__(data, transform, **settings)
        log_warnings(self.warnings, len(data))

    def _load_cache_item(self, idx: int) -> Any:
        """Return an item without warnings: batches cannot hold lists of different lengths."""
        try:
            item = super()._load_cache_item(idx)
        except Exception as error:  # whatever is wrong with a scan, the others are read
            self.reasons[idx] = write_in_line(find_cause(error))
            return None
        for image in filter(lambda value: isinstance(value, MetaTensor), item.values() if isinstance(item, Mapping) else ()):
            self.warnings += [(name_of(image), sentence) for sentence in image.meta.pop(WARNINGS_KEY, [])]
        return item

    def _transform(self, index: int) -> Any:
        check_scans([self])
        seed_draw(self.transform, index)
        return note_seed(super()._transform(index), index)


def check_scans(datasets: Sequence[Any]) -> None:
    """Refuse scans that cannot be used, before anything is learnt from the others.

    Args:
        datasets: the scans of training and validation, with `reasons`, as `CachedScans` and `StoredScans` have.

    Raises:
        ValueError: When there are any; the message has the first ones and their number.
    """
    reasons = [dataset.reasons[index] for dataset in datasets for index in sorted(dataset.reasons)]
    if reasons:
        further = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
        count = sum(map(len, datasets))
        raise ValueError(
            f"{len(reasons)} of {count} scans of training and validation cannot be used, mend them or leave their rows out: "
            + "; ".join(reasons[:SHOWN]) + further
        )  # fmt: skip


def log_warnings(warnings: Sequence[tuple[str, str]], count: int) -> None:
    """Log warnings of many scans, a sentence a kind; arguments as in `summarise_warnings`."""
    for sentence in summarise_warnings(warnings, count):
        logger.warning("%s", sentence)


def summarise_warnings(warnings: Sequence[tuple[str, str]], count: int) -> list[str]:
    """Put warnings of many scans into one sentence a kind.

    Args:
        warnings: Names of files, and sentences that begin with their kind and a colon.
        count: Scans that there are.

    Returns:
        For each kind the number of files, and the first of them with its sentence.
    """
    kinds: dict[str, list[tuple[str, str]]] = {}
    for name, sentence in sorted(warnings):
        kinds.setdefault(sentence.split(":")[0], []).append((name, sentence))
    return [f"{len(dict(found))} files of {count} scans, such as {': '.join(found[0])}" for found in kinds.values()]
