"""Balanced batches."""

from collections import Counter

import pytest

import bundle.data.samplers as module
from bundle.data import BalancedBatchSampler, draw_scans

LABELS = [0, 1, 0, 0, 1, 0, 0, 0, 1, 0]  # seven controls, three with disease


def _classes(batch: list[int], labels: list[int] = LABELS) -> list[int]:
    return [labels[index] for index in batch]


def test_batches_hold_as_many_of_each_class_sorted_by_class() -> None:
    for batch in BalancedBatchSampler(LABELS, batch_size=4):
        assert _classes(batch) == [0, 0, 1, 1]
    labels = [2, 1, 0, 0, 1, 2, 2]
    for batch in BalancedBatchSampler(labels, batch_size=6):
        assert _classes(batch, labels) == [0, 0, 1, 1, 2, 2]


def test_epoch_shows_the_larger_class_once_and_the_smaller_evenly() -> None:
    counts = Counter(index for batch in BalancedBatchSampler(LABELS, batch_size=2) for index in batch)
    assert [counts[index] for index, label in enumerate(LABELS) if label == 0] == [1] * 7
    assert sorted(counts[index] for index, label in enumerate(LABELS) if label == 1) == [2, 2, 3]


def test_length_is_the_number_of_batches() -> None:
    assert len(BalancedBatchSampler(LABELS, batch_size=4)) == len(list(BalancedBatchSampler(LABELS, batch_size=4))) == 4
    sampler = BalancedBatchSampler(LABELS, batch_size=4, num_batches=9)
    assert len(sampler) == len(list(sampler)) == 9


def test_order_depends_on_seed_and_epoch_only() -> None:
    first, second = BalancedBatchSampler(LABELS, 4, seed=1), BalancedBatchSampler(LABELS, 4, seed=1)
    list(second)
    assert list(first) == list(first) == list(second)
    second.set_epoch(1)
    assert list(first) != list(second)
    first.set_epoch(1)
    assert list(first) == list(second)
    assert list(first) != list(BalancedBatchSampler(LABELS, 4, seed=2))


def test_processes_share_each_batch_with_as_many_of_each_class_and_the_same_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(BalancedBatchSampler(LABELS, 8, seed=1))
    parts = []
    for rank in range(2):
        monkeypatch.setattr(module, "own_rows", lambda rank=rank: slice(rank, None, 2))
        parts.append(list(BalancedBatchSampler(LABELS, 8, seed=1)))
    for batch, first, second in zip(whole, *parts, strict=True):
        assert _classes(first) == _classes(second) == [0, 0, 1, 1]
        assert (first, second) == (batch[::2], batch[1::2])
        assert [draw.seed for draw in first] == [draw.seed for draw in batch[::2]]


def test_a_batch_that_processes_cannot_share_evenly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "count_ranks", lambda: 4)
    with pytest.raises(ValueError, match="batch_size must be a multiple of the 2 classes times the 4 processes, got 12"):
        BalancedBatchSampler(LABELS, 12)


@pytest.mark.parametrize("done", [0, 1, 3, 4])
def test_epoch_is_taken_up_where_it_was_left(done: int) -> None:
    whole = list(BalancedBatchSampler(LABELS, 4, seed=3))
    sampler = BalancedBatchSampler(LABELS, 4, seed=3)
    sampler.start(done)
    assert list(sampler) == whole[done:]
    assert list(sampler) == whole


@pytest.mark.parametrize(
    ("labels", "batch_size", "message"),
    [
        ([0, 0], 2, r"must show at least classes 0 and 1 and skip none, got \{0: 2\}"),
        ([0, 2], 2, r"got \{0: 1, 1: 0, 2: 1\}"),
        ([], 2, r"got \{\}"),
        ([0, 1], 3, "batch_size must be a multiple of the 2 classes, got 3"),
        ([0, 1, 2], 0, "batch_size must be a multiple of the 3 classes, got 0"),
    ],
)
def test_impossible_batches_are_refused(labels: list[int], batch_size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BalancedBatchSampler(labels, batch_size)


def test_wrong_position_is_refused() -> None:
    with pytest.raises(ValueError, match="batch must be 0 to 4, got 5"):
        BalancedBatchSampler(LABELS, 4).start(5)
    with pytest.raises(ValueError, match="num_batches must be at least 1 or null, got 0"):
        BalancedBatchSampler(LABELS, 4, num_batches=0)


def test_the_size_of_batches_can_change_and_their_number_stays() -> None:
    sampler = BalancedBatchSampler(LABELS, batch_size=2, num_batches=3)
    sampler.set_batch_size(4)
    assert [_classes(batch) for batch in sampler] == [[0, 0, 1, 1]] * 3
    assert list(sampler) == list(BalancedBatchSampler(LABELS, batch_size=4, num_batches=3))
    with pytest.raises(ValueError, match="batch_size must be a multiple of the 2 classes, got 3"):
        sampler.set_batch_size(3)


def test_as_many_scans_of_each_class_as_wanted_are_drawn_and_fewer_are_among_them() -> None:
    items = [{"label": int(i < 6), "image": f"{i}.nii"} for i in range(20)]
    drawn = {n: draw_scans(items, n) for n in (3, 8)}
    assert [item["label"] for item in drawn[8]].count(1) == 6 and [item["label"] for item in drawn[8]].count(0) == 8
    assert all(item in drawn[8] for item in drawn[3]) and len(drawn[3]) == 6
    assert draw_scans(items, 3, seed=1) != drawn[3]
    assert draw_scans(items, 20) == draw_scans(items) == items
    with pytest.raises(ValueError, match="scans_per_class must be a whole number of at least 1"):
        draw_scans(items, 0)
