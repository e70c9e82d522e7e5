"""MNI space."""

import nibabel
import numpy as np
import pytest
from raw_heads import displace

from bundle.data.geometry import resample
from bundle.preprocessing.template import load_template, place_grid, register_to_template

POINTS = np.array([[60, -20, 20], [-60, -20, 20], [0, -95, 0], [0, 65, 10], [0, -20, 75.0]])


@pytest.mark.slow
def test_grid_of_one_millimetre_is_symmetric_and_holds_the_template() -> None:
    grid, template = place_grid(1.0), load_template()
    assert grid.shape == (193, 229, 193)
    assert grid.affine[0, 3] == -(grid.affine[0, 0] * (grid.shape[0] - 1) + grid.affine[0, 3])
    inside = resample(template.image[None] > 0, template.affine, grid.affine, grid.shape, exact=False)
    assert inside.sum() == (template.image > 0).sum()


@pytest.mark.slow
def test_a_displaced_brain_is_brought_back() -> None:
    template, world = load_template(), displace()
    affine = world @ template.affine @ np.diag([3, 3, 3, 1.0])
    shape = tuple(size // 3 for size in template.image.shape)
    image = resample(template.image[None], np.eye(4), np.diag([3, 3, 3, 1.0]), shape, exact=False)[0]
    found = register_to_template(image**1.3, affine)
    error = nibabel.affines.apply_affine(found @ world, POINTS) - POINTS
    assert np.linalg.norm(error, axis=1).max() < 1.0  # mm
