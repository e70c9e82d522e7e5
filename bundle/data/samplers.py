"""Batches with as many scans of each class."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from monai.transforms import Randomizable
from torch.utils.data import Sampler

from bundle.ranks import count_ranks, own_rows

SEED = "seed"  # key of an item


def shuffle_scans(labels: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return scans in a random order, as positions (n,), and for each in that order how many of its class come before it, (n,).

    Args:
        labels: class of each scan, shape (n,).
        seed: decides the order.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    ranks = np.zeros(len(order), dtype=int)
    for label in np.unique(labels):
        members = labels[order] == label
        ranks[members] = np.arange(members.sum())
    return order, ranks


def draw_scans(items: Sequence[Mapping[str, Any]], scans_per_class: int | None = None, seed: int = 0) -> list[Mapping[str, Any]]:
    """Draw as many scans of each class as wanted; those of a smaller number are among those of a larger one.

    Args:
        items: scans, with `label`.
        scans_per_class: scans of each class, at most; None for all.
        seed: decides which.

    Raises:
        ValueError: When `scans_per_class` is no whole number or below 1.
    """
    if scans_per_class is None:
        return list(items)
    if scans_per_class < 1 or scans_per_class != int(scans_per_class):
        raise ValueError(f"scans_per_class must be a whole number of at least 1, or null for all, got {scans_per_class}")
    order, ranks = shuffle_scans(np.array([item["label"] for item in items]), seed)
    return [items[position] for position in sorted(order[ranks < scans_per_class].tolist())]


class Draw(int):
    """Position of a scan, with a seed for what is random about it: that depends on no other scan and no other process.

    Attributes:
        seed: the seed, below 2^32.
    """

    seed: int

    def __new__(cls, position: int, seed: int) -> Self:
        """Make one of a position and a seed."""
        draw = super().__new__(cls, position)
        draw.seed = seed
        return draw

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to the processes that load data."""
        return Draw, (int(self), self.seed)


def seed_draw(transform: Any, index: int) -> None:
    """Seed the random part of a transform, where the position of a scan has a seed."""
    if isinstance(index, Draw) and isinstance(transform, Randomizable):
        transform.set_random_state(index.seed)


def note_seed(item: Any, index: int) -> Any:
    """Return an item with its seed, by which a batch of them is augmented, where the position of the scan has one."""
    return {**item, SEED: index.seed} if isinstance(index, Draw) else item


class BalancedBatchSampler(Sampler[list[int]]):
    """Draw batches that hold the same number of scans of each class, sorted by class.

    An epoch shows the scans of the largest class once; the others are shown again, in a new order each time, until the
    epoch is full. The batches of an epoch depend on seed and epoch only, so that training can be taken up anywhere. Processes of
    one run share each batch: its scans go round them, so that each has as many of each class, sorted by class.

    Args:
        labels: class of each scan, integers 0 to K - 1.
        batch_size: scans in a batch, a multiple of K.
        seed: determines the order.
        num_batches: batches of an epoch; None for as many as show the largest class once.

    Raises:
        ValueError: When a class has no scan, there is one class only, or `batch_size` is no multiple of K.
    """

    def __init__(self, labels: Sequence[int], batch_size: int, seed: int = 0, num_batches: int | None = None) -> None:
        values = np.asarray(labels, dtype=int)
        num_classes = int(values.max(initial=-1)) + 1
        self.members = [np.flatnonzero(values == label) for label in range(num_classes)]
        if num_classes < 2 or any(not len(members) for members in self.members):
            counts = {label: len(members) for label, members in enumerate(self.members)}
            raise ValueError(f"labels must show at least classes 0 and 1 and skip none, got {counts} scans by class")
        self.set_batch_size(batch_size)
        if num_batches is not None and num_batches < 1:
            raise ValueError(f"num_batches must be at least 1 or null, got {num_batches}")
        self.seed = seed
        self.epoch = 0
        self.first = 0
        self.num_batches = num_batches or -(-max(map(len, self.members)) // self.share)

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        return self.num_batches

    def set_batch_size(self, batch_size: int) -> None:
        """Set the number of scans in a batch, a multiple of K; the number of batches of an epoch stays."""
        check_batch_size(batch_size, len(self.members))
        self.batch_size = batch_size
        self.share = batch_size // len(self.members)

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the epoch that the next iteration yields."""
        self.epoch = epoch

    def start(self, batch: int) -> None:
        """Leave out the batches that are done, as many as `batch`, of the next iteration; later iterations are whole again."""
        if not 0 <= batch <= self.num_batches:
            raise ValueError(f"batch must be 0 to {self.num_batches}, got {batch}")
        self.first = batch

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the batches of the epoch, or what this process has of them, as lists of indices."""
        first, self.first = self.first, 0
        columns = [self._order(label).reshape(-1, self.share) for label in range(len(self.members))]
        batches = np.concatenate(columns, axis=1)
        seeds = np.random.SeedSequence([self.seed, self.epoch]).generate_state(batches.size).reshape(batches.shape)
        for batch, seed in zip(batches[first:, own_rows()].tolist(), seeds[first:, own_rows()].tolist(), strict=True):
            yield list(map(Draw, batch, seed))

    def _order(self, label: int) -> np.ndarray:
        """Return the scans of one class in the order of this epoch, as many as an epoch takes."""
        random = np.random.default_rng([self.seed, self.epoch, label])
        members, needed = self.members[label], self.num_batches * self.share
        rounds = [random.permutation(members) for _ in range(-(-needed // len(members)))]
        return np.concatenate(rounds)[:needed]


def check_batch_size(batch_size: int, num_classes: int) -> None:
    """Refuse a batch that cannot hold as many scans of each class, in each of the processes that share it.

    Args:
        batch_size: scans in a batch.
        num_classes: number of classes, K.

    Raises:
        ValueError: When it is no multiple of K, and of the number of processes.
    """
    count = count_ranks()
    if batch_size < num_classes * count or batch_size % (num_classes * count):
        processes = f" times the {count} processes" if count > 1 else ""
        raise ValueError(f"batch_size must be a multiple of the {num_classes} classes{processes}, got {batch_size}")
