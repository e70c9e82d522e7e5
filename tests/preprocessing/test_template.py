"""Registration to the template."""

import nibabel
import numpy as np
import pytest
from raw_heads import displace

from bundle.preprocessing.grids import resample
from bundle.preprocessing.template import load_template, register

POINTS = np.array([[60, -20, 20], [-60, -20, 20], [0, -95, 0], [0, 65, 10], [0, -20, 75.0]])


@pytest.mark.slow
def test_a_displaced_brain_is_brought_back() -> None:
    template, world = load_template(), displace()
    affine = world @ template.affine @ np.diag([3, 3, 3, 1.0])
    image = resample(template.image, np.diag([3, 3, 3, 1.0]), tuple(size // 3 for size in template.image.shape))
    found = register(image**1.3, affine)
    error = nibabel.affines.apply_affine(found @ world, POINTS) - POINTS
    assert np.linalg.norm(error, axis=1).max() < 1.0  # mm
