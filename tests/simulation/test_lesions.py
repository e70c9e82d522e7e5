"""The lesion study: subjects with and without lesions."""

import numpy as np
import pandas as pd
import pytest

from bundle.simulation.anatomies import Anatomy, load_anatomy
from bundle.simulation.cohort import GROUPS, plan_subjects
from bundle.simulation.lesions import CENTRE, PLANE_RANGE, LesionStudy, simulate_subject
from bundle.simulation.paired_states import PairedStates
from bundle.simulation.parcels import LEAST_CHANGE, LEAST_MEAN_EFFECT

SIZE, VOXEL_SIZE = (96, 112), 2.0
NUMBERS = dict(zip(GROUPS, (400, 100, 100, 60), strict=True))


@pytest.fixture(scope="module")
def subjects(unseen_brain: Anatomy) -> list[PairedStates]:
    """Simulate some subjects."""
    return [simulate_subject(unseen_brain, SIZE, VOXEL_SIZE, seed) for seed in range(5)]


def test_subject_follows_its_seed(unseen_brain: Anatomy, subjects: list[PairedStates]) -> None:
    again = simulate_subject(unseen_brain, SIZE, VOXEL_SIZE, 1)
    for array, expected in zip(again, subjects[1], strict=True):
        np.testing.assert_array_equal(array, expected)
    assert not np.array_equal(subjects[0].control, subjects[1].control)


def test_background_is_zero_and_the_brain_is_not(subjects: list[PairedStates]) -> None:
    for subject in subjects:
        assert subject.control.shape == (*SIZE, 1) and subject.control.dtype == np.float32
        np.testing.assert_array_equal(subject.control > 0, subject.brain_mask > 0)
        assert 0.35 < subject.brain_mask.mean() < 0.6


def test_brain_does_not_touch_the_edge_of_the_image(subjects: list[PairedStates]) -> None:
    for subject in subjects:
        for axis in range(2):
            assert subject.brain_mask.take([0, -1], axis=axis).max() == 0


def test_contrast_is_that_of_a_t2_weighted_scan(subjects: list[PairedStates]) -> None:
    for subject in subjects:
        brain = subject.control[subject.brain_mask > 0]
        white_matter, grey_matter, fluid = np.quantile(brain, [0.1, 0.6, 0.97])
        assert 150 < white_matter < 400 and 350 < grey_matter < 750 and 800 < fluid < 1500
        assert white_matter < 0.8 * grey_matter < 0.6 * fluid


def test_every_parcel_changes_visibly_and_nothing_else_changes(subjects: list[PairedStates]) -> None:
    for subject in subjects:
        np.testing.assert_array_equal(subject.effect > 0, subject.parcel_map > 0)
        assert subject.effect[subject.parcel_map > 0].min() >= LEAST_CHANGE
        for label in range(1, 5):
            change = subject.effect[subject.parcel_map == label]
            assert len(change) >= 12 and change.mean() >= LEAST_MEAN_EFFECT


def test_affine_places_the_slice_in_mni_space(subjects: list[PairedStates]) -> None:
    for subject in subjects:
        middle = subject.affine @ [SIZE[0] / 2 - 0.5, SIZE[1] / 2 - 0.5, 0, 1]
        np.testing.assert_allclose(middle[:2], CENTRE[:2], atol=1e-5)
        assert PLANE_RANGE[0] <= middle[2] <= PLANE_RANGE[1]


@pytest.mark.slow
def test_volume_has_all_parcels() -> None:
    subject = simulate_subject(load_anatomy("colin27"), (48, 56, 48), 4.0, 0)
    assert subject.control.shape == (48, 56, 48)
    assert set(np.unique(subject.parcel_map)) == {0, 1, 2, 3, 4}


def test_size_that_misses_the_parcels_is_an_error(unseen_brain: Anatomy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.simulation.lesions.MAX_DRAWS", 3)
    with pytest.raises(ValueError, match="colin27 shows not all parcels in .*simulated_cohort#spatial_size"):
        simulate_subject(unseen_brain, (16, 16), 2.0, 0)


@pytest.fixture(scope="module")
def plan() -> pd.DataFrame:
    """Plan a larger cohort."""
    return plan_subjects(LesionStudy().plan_subject, NUMBERS, 0, ["a", "b", "c"], ["u", "v"])


def test_classes_are_balanced_in_every_split(plan: pd.DataFrame) -> None:
    for _, rows in plan.groupby("split"):
        assert (rows["label"] == 1).mean() == 0.5


def test_subjects_and_seeds_are_unique(plan: pd.DataFrame) -> None:
    assert plan["participant_id"].is_unique and plan["seed"].is_unique


def test_mt_is_always_lesioned_and_the_others_in_half_of_the_subjects(plan: pd.DataFrame) -> None:
    parcels = plan["parcels"].str.split("+")
    assert parcels.map(lambda names: names[0] == "MT").all()
    for name in ("OP1", "v23ab", "9a"):
        number = parcels.map(lambda names, name=name: name in names).sum()
        assert abs(number - len(plan) / 2) < 4 * np.sqrt(len(plan) / 4)


@pytest.mark.parametrize("column", ["anatomy", "parcels"])
def test_label_is_independent_of_anatomy_and_parcels(plan: pd.DataFrame, column: str) -> None:
    counts = pd.crosstab(plan["label"], plan[column])
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.to_numpy().sum()
    statistic = float(((counts - expected) ** 2 / expected).to_numpy().sum())
    freedom = counts.shape[1] - 1
    assert statistic < freedom + 4 * np.sqrt(2 * freedom)
