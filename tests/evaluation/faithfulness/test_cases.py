import pytest

from bundle.evaluation.faithfulness.cases import Case, list_cases
from bundle.evaluation.split import Split
from tests.tiny_evaluation import build_split


def draw(split: Split, source: int, target: int, count: int | None = None) -> Case:
    return next(list_cases(split, lambda *pair: pair == (source, target), count))


def test_as_many_scans_of_the_class_are_taken_from_each_split(make_cohort):
    split = build_split(make_cohort(2, num_test=12))
    case = draw(split, 1, 0, count=2)
    assert [split.labels[i] for i in case.indices] == [1] * 4 and case.direction == "-"
    assert sorted(split.names[i] for i in case.indices) == ["seen", "seen", "unseen", "unseen"]
    assert draw(split, 1, 0, count=2).indices == case.indices
    assert len(draw(split, 0, 1).indices) == 6


def test_batches_hold_every_scan_once(make_cohort):
    split = build_split(make_cohort(2, num_test=12), batch_size=4)
    indices = draw(split, 1, 0).indices
    batches = list(split.batches(indices, "doing"))
    assert [len(batch) for batch in batches] == [4, 2] and [index for batch in batches for index in batch] == indices


def test_cases_are_the_directions_that_a_method_explains(make_cohort):
    split = build_split(make_cohort(2))
    assert [case.direction for case in list_cases(split, lambda source, target: True)] == ["+", "-"]
    assert [case.direction for case in list_cases(split, lambda source, target: True, to_controls=True)] == ["-"]
    assert [case.direction for case in list_cases(split, lambda source, target: source == 0)] == ["+"]


def test_no_scan_at_all_raises(make_cohort):
    with pytest.raises(ValueError, match="at least 1 scan of each split is needed, got 0"):
        draw(build_split(make_cohort(2)), 1, 0, count=0)
