"""Regions of a real brain."""

import numpy as np
import pytest

from bundle.simulation.anatomies import GRID_ORIGIN, Anatomy
from bundle.simulation.regions import REGIONS, find_lateral_ventricles, label_of, mirror_labels

VOLUMES = {  # cm3, of one side in an adult whose brain has the size of the template
    "lateral-ventricle": (5, 25), "hippocampus": (2.5, 5.5), "amygdala": (1, 2.5), "frontal": (60, 140), "parietal": (35, 90),
    "temporal": (50, 120), "occipital": (25, 80),
}  # fmt: skip


@pytest.mark.parametrize("structure", VOLUMES)
def test_volumes_are_those_of_an_adult_on_both_sides(labels: np.ndarray, structure: str) -> None:
    low, high = VOLUMES[structure]
    left, right = (np.count_nonzero(labels == label_of(structure, side)) / 1000 for side in ("left", "right"))
    assert low < left < high and low < right < high
    assert 0.75 < left / right < 1.35


def test_left_lies_left_and_right_lies_right(labels: np.ndarray) -> None:
    x = np.arange(labels.shape[0]) + GRID_ORIGIN[0]
    for label, region in enumerate(REGIONS, start=1):
        centre = np.average(x, weights=(labels == label).sum(axis=(1, 2)))
        assert centre < -4 if region.startswith("left") else centre > 4


def test_regions_lie_in_the_brain_and_hold_their_tissue(labels: np.ndarray, whole_brain: Anatomy) -> None:
    assert whole_brain.brain_mask[labels > 0].mean() > 0.99
    fluid = whole_brain.tissues[0]
    for label, region in enumerate(REGIONS, start=1):
        inside = fluid[labels == label]
        assert inside.min() > 0.5 if region.endswith("ventricle") else inside.max() < 0.5


def test_third_ventricle_and_sulci_are_no_lateral_ventricle(whole_brain: Anatomy) -> None:
    ventricles = find_lateral_ventricles(whole_brain)
    fluid = whole_brain.tissues[0] > 0.5
    third, fissure = (tuple(np.subtract(place, GRID_ORIGIN)) for place in ((0, -15, 2), (0, 30, 45)))
    assert fluid[third] and not ventricles[third]
    assert not ventricles[fissure]
    body = tuple(np.subtract((-8, 0, 22), GRID_ORIGIN))
    assert ventricles[body]


def test_mirrored_labels_exchange_the_sides(labels: np.ndarray) -> None:
    mirrored = mirror_labels(labels)
    np.testing.assert_array_equal(mirror_labels(mirrored), labels)
    left, right = label_of("hippocampus", "left"), label_of("hippocampus", "right")
    np.testing.assert_array_equal(mirrored == left, (labels == right)[::-1])
