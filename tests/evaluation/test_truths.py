import pytest
import torch

from bundle.evaluation.truths import estimate_probabilities, expect_change, find_truths, select_parcels

PARCELS = ["MT", "OP1"]
PARCEL_MAP = torch.tensor([[[0.0, 1, 2], [1, 2, 0]]])
EFFECT = torch.tensor([[[0.0, 10, 20], [30, 40, 0]]])
CONTROL = {"label": 0, "parcels": "OP1", "effect": EFFECT, "parcel_map": PARCEL_MAP}
DISEASED = {"label": 1, "parcels": "MT", "effect": EFFECT, "parcel_map": PARCEL_MAP, "mask": (PARCEL_MAP == 1).float()}
OTHER = {"label": 1, "parcels": "OP1", "mask": torch.tensor([[[1.0, 0, 0], [0, 0, 1]]])}  # another anatomy


def images(truths) -> dict:
    return {(truth.protocol, truth.kind): truth.image.tolist() for truth in truths}


def test_removing_disease_is_compared_with_the_own_mask_and_the_own_change():
    assert images(find_truths(DISEASED, CONTROL, PARCELS, None)) == {
        ("paper", "both"): [[[0, 1, 0], [1, 0, 0]]],
        ("paired", "exemplar"): [[[0, 1, 0], [1, 0, 0]]],
        ("paired", "sampled"): [[[0, 10, 0], [30, 0, 0]]],
    }


def test_adding_disease_is_compared_with_the_mask_of_the_reference_and_with_its_disease_on_the_own_anatomy():
    assert images(find_truths(CONTROL, OTHER, PARCELS, {"MT": 1.0, "OP1": 0.25})) == {
        ("paper", "both"): [[[1, 0, 0], [0, 0, 1]]],
        ("paired", "exemplar"): [[[0, 0, 1], [0, 1, 0]]],
        ("paired", "sampled"): [[[0, 10, 5], [30, 10, 0]]],
    }


def test_a_cohort_with_masks_only_knows_what_masks_tell():
    diseased, control = {"label": 1, "mask": DISEASED["mask"]}, {"label": 0}
    assert list(images(find_truths(diseased, control, PARCELS, None))) == [("paper", "both"), ("paired", "exemplar")]
    assert list(images(find_truths(control, diseased, PARCELS, None))) == [("paper", "both")]


def test_between_two_diseases_nothing_is_known():
    assert find_truths(DISEASED | {"label": 2}, DISEASED, PARCELS, None) == []


def test_expected_change_is_the_mean_over_all_sets_of_parcels_that_training_subjects_have():
    train = [{"label": 1, "parcels": names} for names in ("MT", "MT+OP1", "MT", "OP1")] + [{"label": 0, "parcels": "OP1"}]
    probabilities = estimate_probabilities(train, 1, PARCELS)
    changes = [EFFECT * select_parcels(PARCEL_MAP, row["parcels"], PARCELS) for row in train[:4]]
    assert probabilities == {"MT": 0.75, "OP1": 0.5}
    assert torch.equal(expect_change(CONTROL, PARCELS, probabilities), torch.stack(changes).mean(0))


def test_probabilities_are_unknown_without_parcels():
    assert estimate_probabilities([{"label": 1}], 1, PARCELS) is None


def test_an_unknown_parcel_raises():
    with pytest.raises(ValueError, match="parcels must be of MT, OP1 joined by '\\+', got 'V1'"):
        select_parcels(PARCEL_MAP, "V1", PARCELS)
