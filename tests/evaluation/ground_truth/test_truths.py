import torch

from bundle.evaluation.ground_truth.truths import find_own_truth, find_truths
from tests.tiny_evaluation import make_scan

PARCEL_MAP = torch.tensor([[[0.0, 1, 2], [1, 2, 0]]])
EFFECT = torch.tensor([[[0.0, 10, 20], [30, 40, 0]]])
CONTROL = make_scan(0, effect=EFFECT, parcel_map=PARCEL_MAP)
DISEASED = CONTROL._replace(label=1, mask=(PARCEL_MAP == 1).float())
OTHER_MASK = torch.tensor([[[1.0, 0, 0], [0, 0, 1]]])
OTHER = make_scan(1, mask=OTHER_MASK, parcel_map=2 * OTHER_MASK)  # another anatomy, the second parcel


def images(truths) -> dict:
    return {(truth.protocol, truth.kind): truth.image.tolist() for truth in truths}


def test_removing_disease_is_compared_with_the_own_mask_and_the_own_change():
    assert images(find_truths(DISEASED, CONTROL, {})) == {
        ("paper", "both"): [[[0, 1, 0], [1, 0, 0]]],
        ("paired", "exemplar"): [[[0, 1, 0], [1, 0, 0]]],
        ("paired", "sampled"): [[[0, 10, 0], [30, 0, 0]]],
    }


def test_adding_disease_is_compared_with_the_mask_of_the_reference_and_with_its_disease_on_the_own_anatomy():
    assert images(find_truths(CONTROL, OTHER, {1: 1.0, 2: 0.25})) == {
        ("paper", "both"): [[[1, 0, 0], [0, 0, 1]]],
        ("paired", "exemplar"): [[[0, 0, 1], [0, 1, 0]]],
        ("paired", "sampled"): [[[0, 10, 5], [30, 10, 0]]],
    }


def test_a_cohort_with_masks_only_knows_what_masks_tell():
    diseased, control = make_scan(1, mask=DISEASED.mask), make_scan(0)
    assert list(images(find_truths(diseased, control, {}))) == [("paper", "both"), ("paired", "exemplar")]
    assert list(images(find_truths(control, diseased, {}))) == [("paper", "both")]


def test_a_map_of_the_own_disease_is_the_truth_of_all_maps_in_both_directions():
    own = torch.tensor([[[0.0, -3, 0], [0, 5, 0]]])
    later = DISEASED._replace(disease_map=own, changed_label=0)
    earlier = CONTROL._replace(disease_map=own, changed_label=1)
    assert images(find_truths(earlier, make_scan(1), {1: 1.0})) == {("paper", "both"): own.tolist()}
    assert images(find_truths(later, make_scan(0), {})) == {("paper", "both"): own.tolist()}


def test_a_disease_map_says_nothing_of_other_directions_and_of_repeats():
    scan = make_scan(1, disease_map=EFFECT, changed_label=2)
    assert len(find_truths(scan, make_scan(2), {})) == 1
    assert find_truths(scan, make_scan(0), {}) == find_truths(scan._replace(changed_label=None), make_scan(2), {}) == []
    repeat = scan._replace(changed_label=1)
    assert find_truths(repeat, make_scan(0), {}) == find_truths(repeat, make_scan(1), {}) == []


def test_between_two_diseases_nothing_is_known():
    assert find_truths(DISEASED._replace(label=2), DISEASED, {}) == []


def test_lesioned_parcels_are_those_under_the_mask():
    assert DISEASED.find_parcels().tolist() == [1]
    assert CONTROL._replace(mask=torch.ones_like(PARCEL_MAP)).find_parcels().tolist() == [1, 2]


def test_expected_change_is_the_mean_over_the_sets_of_parcels_of_a_class():
    sets = [[1], [1, 2], [1], [2]]
    changes = [EFFECT * CONTROL.select_parcels(torch.tensor(labels)) for labels in sets]
    assert torch.equal(CONTROL.expect_change({1: 0.75, 2: 0.5}), torch.stack(changes).mean(0))


def test_the_own_truth_lies_on_the_own_anatomy_and_is_unknown_where_only_the_reference_has_a_mask():
    assert find_own_truth(DISEASED, CONTROL).image.tolist() == [[[0, 1, 0], [1, 0, 0]]]
    assert find_own_truth(CONTROL, OTHER).image.tolist() == [[[0, 0, 1], [0, 1, 0]]]
    assert find_own_truth(make_scan(0), OTHER) is None
    change = torch.ones(1, 2, 3)
    converter = make_scan(0, disease_map=change, changed_label=1)
    assert find_own_truth(converter, make_scan(1)).image is change
    assert find_own_truth(converter._replace(changed_label=0), make_scan(1)) is None
