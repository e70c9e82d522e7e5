import pytest

from bundle.evaluation.cases import choose_scans, list_directions
from tests.evaluation.known_judge import KnownExplainer


def test_as_many_scans_of_the_class_are_taken_from_each_split(make_cohort, tmp_path):
    scorer = KnownExplainer(make_cohort(2, num_test=12), tmp_path).scorer
    case = choose_scans(scorer, 1, 0, count=2)
    assert [scorer.test.data[i]["label"] for i in case.indices] == [1] * 4 and case.direction == "-"
    assert sorted(scorer.splits[i] for i in case.indices) == ["seen", "seen", "unseen", "unseen"]
    assert choose_scans(scorer, 1, 0, count=2).indices == case.indices
    assert len(choose_scans(scorer, 0, 1).indices) == 6


def test_batches_hold_every_scan_once(make_cohort, tmp_path):
    case = choose_scans(KnownExplainer(make_cohort(2, num_test=12), tmp_path).scorer, 1, 0, batch_size=4)
    batches = list(case.split("doing"))
    assert [len(batch) for batch in batches] == [4, 2] and [index for batch in batches for index in batch] == case.indices


def test_directions_are_all_pairs_of_two_classes():
    assert list_directions(2) == [(0, 1), (1, 0)] and list_directions(3, [2]) == [(2, 0), (2, 1)]


def test_no_scan_at_all_raises(make_cohort, tmp_path):
    with pytest.raises(ValueError, match="at least 1 scan of each split is needed, got 0"):
        choose_scans(KnownExplainer(make_cohort(2), tmp_path).scorer, 1, 0, count=0)
