import pytest
from monai.data import Dataset
from tiny_evaluation import rows_of

from bundle.evaluation.split import Split, draw_references, find_changed_labels, find_pairs, name_splits


def test_a_scan_is_unseen_when_its_anatomy_is_in_no_training_row():
    train = rows_of([0, 1, 0], ["one", "two", "two"])
    assert name_splits(rows_of([0, 1, 0], ["two", "three", "one"]), train) == ["seen", "unseen", "seen"]


def test_without_anatomies_all_scans_are_of_one_split():
    rows = [{"participant_id": "a", "label": 0}, {"participant_id": "b", "label": 1, "anatomy": "one"}]
    assert name_splits(rows, rows_of([0, 1])) == ["test", "test"]


def test_references_are_of_the_other_class_and_the_same_split():
    rows, splits = rows_of([0, 1] * 6), ["seen"] * 6 + ["unseen"] * 6
    for index, lent in enumerate(draw_references(rows, splits, num_classes=2)):
        assert list(lent) == [1 - rows[index]["label"]]
        assert all(rows[other]["label"] == target and splits[other] == splits[index] for target, other in lent.items())


def test_references_are_of_another_participant():
    rows = rows_of([0, 1, 0, 1])
    rows[1]["participant_id"] = rows[0]["participant_id"]  # both classes of one person
    for seed in range(10):
        assert draw_references(rows, ["test"] * 4, 2, seed)[0] == {1: 3}


def test_references_depend_on_the_seed_and_not_on_the_order_of_rows():
    rows = rows_of([0, 1] * 10)
    drawn = draw_references(rows, ["test"] * 20, 2, seed=1)
    turned = draw_references(rows[::-1], ["test"] * 20, 2, seed=1)[::-1]
    assert drawn == [{target: 19 - other for target, other in lent.items()} for lent in turned]
    assert drawn != draw_references(rows, ["test"] * 20, 2, seed=2)


def test_with_three_classes_every_scan_has_a_reference_of_both_others():
    references = draw_references(rows_of([0, 1, 2] * 2), ["test"] * 6, num_classes=3)
    assert [sorted(lent) for lent in references] == [[1, 2], [0, 2], [0, 1]] * 2


def test_a_scan_has_no_reference_of_a_class_that_its_split_lacks():
    assert draw_references(rows_of([0, 1, 1]), ["seen", "seen", "unseen"], num_classes=2) == [{1: 1}, {0: 0}, {}]


def test_what_a_small_test_split_does_not_allow_is_named_with_the_classes():
    rows = rows_of([0, 1, 1], ["one", "one", "two"])
    split = Split(Dataset(rows), train=Dataset(rows_of([0], ["one"])), class_names=["HC", "PT"])
    assert [split.has_reference(2, 0), split.has_reference(0, 1)] == [False, True]
    assert split.list_gaps() == [
        "no unseen scan of class 0 HC, of another participant, as the reference of 1 scans: no maps of them towards it",
        "a single unseen scan: no intervals",
    ]


@pytest.mark.parametrize(("source", "target", "count", "name"), [(1, 0, 2, "-"), (0, 1, 2, "+"), (2, 0, 3, "2>0")])
def test_directions_have_the_signs_of_the_paper(source, target, count, name):
    assert Split(Dataset([]), count).name_direction(source, target) == name


PAIRED = [
    {"participant_id": "a", "session_id": "M0", "pair": "M1", "label": 0, "disease_map": "a0"},
    {"participant_id": "b", "session_id": "M1", "pair": "M0", "label": 1, "disease_map": "b1"},
    {"participant_id": "a", "session_id": "M1", "pair": "M0", "label": 1, "disease_map": "a1"},
    {"participant_id": "b", "session_id": "M0", "pair": "M1", "label": 1, "disease_map": "b0"},
    {"participant_id": "c", "session_id": "M0", "label": 0, "disease_map": "c0"},
    {"participant_id": "d", "session_id": "M0", "pair": "M9", "label": 0, "disease_map": "d0"},
    {"participant_id": "e", "label": 0},
]


def test_pairs_are_two_scans_of_one_participant():
    assert find_pairs(PAIRED) == {0: 2, 2: 0, 1: 3, 3: 1}
    assert find_pairs([{"participant_id": "a", "session_id": "M0", "pair": "M0", "label": 0}]) == {}


def test_a_disease_map_leads_to_the_class_of_the_other_scan_or_to_the_only_other_class():
    pairs = find_pairs(PAIRED)
    assert find_changed_labels(PAIRED, pairs, 2) == [1, 1, 0, 1, 1, None, None]
    assert find_changed_labels(PAIRED, pairs, 3) == [1, 1, 0, 1, None, None, None]


def test_references_do_not_depend_on_the_order_of_two_scans_of_one_class():
    rows = [row for row in PAIRED if row["participant_id"] in "ab"] + rows_of([0, 1, 0, 1])
    splits = ["test"] * len(rows)
    drawn = draw_references(rows, splits, 2, seed=3)
    turned = draw_references(rows[::-1], splits, 2, seed=3)[::-1]
    assert drawn == [{target: len(rows) - 1 - other for target, other in lent.items()} for lent in turned]


def test_directions_are_all_pairs_of_two_classes():
    assert Split(Dataset([]), 2).list_directions() == [(0, 1), (1, 0)] and len(Split(Dataset([]), 3).list_directions()) == 6
