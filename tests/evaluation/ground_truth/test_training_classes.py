import pytest
import torch

from bundle.data.parcels import lesioned_parcels
from bundle.evaluation.ground_truth import TrainingClasses


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_class_is_described_by_its_mean_scan_and_how_often_its_parcels_are_lesioned(spatial_dims, make_cohort):
    train = make_cohort(spatial_dims, num_train=12).train
    known = TrainingClasses(train).describe(1)
    assert known.members == [1, 3, 5, 7, 9, 11]
    torch.testing.assert_close(known.mean, torch.stack([train[i]["image"] for i in known.members]).mean(0))
    second = sum(2 in lesioned_parcels(train[i]).tolist() for i in known.members)
    assert known.frequencies == {1: 1.0, 2: second / 6} and 0 < second < 6


def test_without_masks_frequencies_are_unknown(make_cohort):
    assert TrainingClasses(make_cohort(2).drop("mask").train).describe(1).frequencies == {}
    assert TrainingClasses(make_cohort(2).train).describe(0).frequencies == {}


def test_a_class_without_training_scans_raises(make_cohort):
    with pytest.raises(ValueError, match="the training split has no scan of class 2"):
        TrainingClasses(make_cohort(2).train).describe(2)


def test_the_same_seed_picks_the_same_scan(make_cohort):
    training = TrainingClasses(make_cohort(2, num_train=6).train)
    picked = [training.pick_scan(1, [0, seed]) for seed in range(20)]
    assert torch.equal(picked[7], training.pick_scan(1, [0, 7]))
    assert len({image.sum().item() for image in picked}) == 3
