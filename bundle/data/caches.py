"""Scans that are kept in memory."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monai.data import CacheDataset, MetaTensor

from bundle.data.headers import WARNINGS_KEY
from bundle.data.scans import name_of

logger = logging.getLogger(__name__)


class CachedScans(CacheDataset):
    """MONAI's CacheDataset, which logs what is doubtful about the scans once, each kind with the number of files.

    Args:
        data: entries of a data list.
        transform: the preprocessing.
        settings: further arguments of `CacheDataset`.
    """

    def __init__(self, data: Sequence[Any], transform: Callable[[Any], Any], **settings: Any) -> None:
        self.warnings: list[tuple[str, str]] = []  # scan and sentence
        super().__init__(data, transform, **settings)
        for sentence in summarise_warnings(self.warnings, len(data)):
            logger.warning("%s", sentence)

    def _load_cache_item(self, idx: int) -> Any:
        """Return an item without warnings: batches cannot hold lists of different lengths."""
        item = super()._load_cache_item(idx)
        for image in filter(lambda value: isinstance(value, MetaTensor), item.values() if isinstance(item, Mapping) else ()):
            self.warnings += [(name_of(image), sentence) for sentence in image.meta.pop(WARNINGS_KEY, [])]
        return item


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
