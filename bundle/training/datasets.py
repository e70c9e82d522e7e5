"""The scans of a training, kept in memory, and all at once that cannot be read."""

from collections.abc import Callable, Sequence
from typing import Any

from monai.data import CacheDataset

from bundle.guards import find_cause

SHOWN = 10  # reasons in a message


class CachedScans(CacheDataset):
    """MONAI's CacheDataset, which reads on when a scan cannot be read.

    Args:
        data: entries of a data list.
        transform: the preprocessing and augmentation.
        num_workers: threads that read.

    Attributes:
        reasons: a sentence for each scan that cannot be used, by its position.
    """

    def __init__(self, data: Sequence[Any], transform: Callable[[Any], Any], num_workers: int | None = 1) -> None:
        self.reasons: dict[int, str] = {}
        super().__init__(data, transform, num_workers=num_workers)

    def _load_cache_item(self, idx: int) -> Any:
        try:
            return super()._load_cache_item(idx)
        except Exception as error:  # whatever is wrong with a scan, the others are read
            cause = find_cause(error)
            self.reasons[idx] = " ".join(str(cause).split()) or type(cause).__name__
            return None

    def _transform(self, index: int) -> Any:
        check_scans([self])
        return super()._transform(index)


def check_scans(datasets: Sequence[CachedScans]) -> None:
    """Refuse scans that cannot be used, before anything is learnt from the others.

    Args:
        datasets: the scans of training and validation.

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
