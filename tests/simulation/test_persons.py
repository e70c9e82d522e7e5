"""Persons in several states."""

import numpy as np
import pytest

from bundle.simulation.brains import Brain
from bundle.simulation.persons import (
    BRAIN_EXTENT,
    CENTRE,
    SIZE_OF_TEMPLATE,
    Person,
    check_field_of_view,
    draw_person,
    scan,
)
from bundle.simulation.regions import REGIONS, label_of

SIZE, VOXEL_SIZE = (32, 40, 32), 5.0
LEFT_HIPPOCAMPUS = label_of("hippocampus", "left") - 1


def make_person(brain: Brain, changes: np.ndarray, seed: int = 1) -> Person:
    """Simulate a person that fits."""
    return draw_person(brain, lambda random: changes, range(len(changes)), SIZE, VOXEL_SIZE, seed)


@pytest.fixture(scope="module")
def person(coarse_brain: Brain) -> Person:
    """Simulate a person before, after and with the left hippocampus alone shrunk."""
    changes = np.zeros((3, len(REGIONS)))
    changes[1] = np.log([1.5, 1.4, 0.82, 0.9, 0.85, 0.9, 0.95, 0.99, 0.93, 0.99, 0.92, 0.9, 0.99, 0.94])
    changes[2, LEFT_HIPPOCAMPUS] = np.log(0.8)
    return make_person(coarse_brain, changes)


def test_person_follows_its_seed(coarse_brain: Brain, person: Person) -> None:
    changes = np.zeros((1, len(REGIONS)))
    again, other = (make_person(coarse_brain, changes, seed) for seed in (1, 2))
    np.testing.assert_array_equal(again.states[0].image, person.states[0].image)
    assert not np.array_equal(other.states[0].image, person.states[0].image)


def test_brain_is_whole_and_of_the_size_of_a_brain(person: Person) -> None:
    for axis in range(3):
        assert person.brain_mask.take([0, -1], axis=axis).max() == 0
    assert 1.2 < person.brain_mask.sum() * VOXEL_SIZE**3 / 1e6 < 2.0  # litres, with the fluid


def test_volumes_change_as_asked(person: Person) -> None:
    ratios = person.states[1].volumes / person.states[0].volumes
    assert 1.4 < ratios[0] < 1.6 and 1.3 < ratios[1] < 1.5
    np.testing.assert_allclose(ratios[2:6], [0.82, 0.9, 0.85, 0.9], rtol=0.06)
    np.testing.assert_allclose(ratios[6:], [0.95, 0.99, 0.93, 0.99, 0.92, 0.9, 0.99, 0.94], rtol=0.04)


def test_region_map_agrees_with_the_volumes(person: Person) -> None:
    for state in person.states:
        counted = np.bincount(state.regions.ravel(), minlength=len(REGIONS) + 1)[1:] * VOXEL_SIZE**3
        assert np.corrcoef(counted, state.volumes)[0, 1] > 0.98
    grown = [np.isin(state.regions, (1, 2)).sum() for state in person.states[:2]]
    assert grown[1] > 1.2 * grown[0]


def test_ventricles_turn_dark_where_they_grow(person: Person) -> None:
    first, later = person.states[:2]
    new = np.isin(later.regions, (1, 2)) & ~np.isin(first.regions, (1, 2))
    assert (later.image - first.image)[new].mean() < -80


def test_shrinking_left_hippocampus_changes_the_left_temporal_lobe(person: Person) -> None:
    change = np.abs(person.states[2].image - person.states[0].image)
    affine = person.affine
    x, _, z = np.einsum("ij,j...->i...", affine[:3, :3], np.indices(SIZE)) + affine[:3, 3].reshape(3, 1, 1, 1)
    assert change[x < 0].sum() > 8 * change[x > 0].sum()
    assert np.average(z, weights=change) < 0


def test_states_without_change_are_equal(coarse_brain: Brain) -> None:
    states = make_person(coarse_brain, np.zeros((2, len(REGIONS)))).states
    np.testing.assert_array_equal(states[0].image, states[1].image)


def test_contrast_is_that_of_a_t1_weighted_scan(person: Person) -> None:
    state = person.states[0]
    ventricle, cortex = (state.image[np.isin(state.regions, range(*labels))].mean() for labels in ((1, 3), (7, 15)))
    brightest = np.quantile(state.image[person.brain_mask > 0], 0.95)
    assert 100 < ventricle < 0.8 * cortex < 0.64 * brightest


def test_scans_of_a_state_differ_by_noise_and_a_little_bias(person: Person) -> None:
    state, mask = person.states[0], person.brain_mask
    scans = [scan(state, person, VOXEL_SIZE).astype(float) for _ in range(2)]
    assert all(np.array_equal(image > 0, mask > 0) for image in scans)
    deviation = (scans[1] - scans[0])[mask > 0].std()
    assert 1.2 * person.noise_level < deviation < 1.5 * person.noise_level + 15
    assert abs((scans[0] - state.image)[mask > 0].mean()) < 10


def test_brain_that_does_not_fit_is_an_error(coarse_brain: Brain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.simulation.persons.MAX_DRAWS", 2)
    with pytest.raises(ValueError, match="mni152-09a-sym does not fit into .* of 5 mm: enlarge simulated_cohort#spatial_size"):
        draw_person(coarse_brain, lambda random: np.zeros((1, len(REGIONS))), [0], (24, 40, 32), VOXEL_SIZE, 0)


def test_least_field_of_view_is_that_of_the_anatomy(coarse_brain: Brain) -> None:
    inside = np.argwhere((coarse_brain.channels[0, 2] >= 0.5).numpy()) + coarse_brain.origin - CENTRE
    extent = 2 * np.abs(inside).max(axis=0) * SIZE_OF_TEMPLATE
    assert (extent <= BRAIN_EXTENT).all() and (extent > np.array(BRAIN_EXTENT) - 5).all()


@pytest.mark.parametrize("size", [(32, 32, 32), (32, 40, 31), (29, 40, 32)])
def test_field_of_view_that_does_not_hold_the_brain_is_refused(size: tuple[int, ...]) -> None:
    check_field_of_view(SIZE, VOXEL_SIZE)
    with pytest.raises(ValueError, match=r"spatial_size \(image_size\).*\(pixdim\).* must be at least 148 x 182 x 159 mm"):
        check_field_of_view(size, VOXEL_SIZE)


def test_brain_that_would_fold_is_refused(coarse_brain: Brain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.simulation.persons.MAX_DRAWS", 1)
    changes = np.zeros((1, len(REGIONS)))
    draw_person(coarse_brain, lambda random: changes, [0], SIZE, VOXEL_SIZE, 1)
    changes[0, :2] = np.log(4)
    with pytest.raises(ValueError, match="does not fit"):
        draw_person(coarse_brain, lambda random: changes, [0], SIZE, VOXEL_SIZE, 1)
