"""Checks of prepared scans."""

import numpy as np
import pytest

from bundle.data.geometry import resample
from bundle.preprocessing.quality_control import Limits, correlate_with_template, find_problem
from bundle.preprocessing.template import load_template, place_grid

GOOD = {"num_slices": 180, "brain_volume_ml": 1500.0, "smallest_scale": 0.95, "largest_scale": 1.1, "template_correlation": 0.8}


def test_a_good_scan_has_no_problem() -> None:
    assert find_problem(GOOD, Limits()) is None


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("num_slices", 5, "has 5 voxels along an axis: accepted are 20 or more (limits#num_slices)"),
        ("brain_volume_ml", 300.0, "shows a brain of 300 ml: accepted are 900 to 2100 ml (limits#brain_volume)"),
        ("brain_volume_ml", 4000.0, "shows a brain of 4000 ml: accepted are 900 to 2100 ml"),
        ("smallest_scale", 0.5, "is scaled by 0.50 to fit the template: accepted are 0.7 to 1.4 (limits#scale)"),
        ("largest_scale", 1.5, "is scaled by 1.50 to fit the template: accepted are 0.7 to 1.4"),
        ("template_correlation", 0.3, "correlates with the template by 0.30 after registration: accepted are 0.6 or more"),
        ("template_correlation", float("nan"), "correlates with the template by nan"),
    ],
)
def test_a_bad_one_is_described_in_a_sentence(name: str, value: float, sentence: str) -> None:
    assert sentence in str(find_problem(GOOD | {name: value}, Limits()))


@pytest.mark.slow
@pytest.mark.parametrize("voxel_size", [2.0, 4.0])
def test_the_template_correlates_with_itself_and_less_when_shifted(voxel_size: float) -> None:
    grid, template = place_grid(voxel_size), load_template()
    image = resample(template.image[None], template.affine, grid.affine, grid.shape, exact=False)[0]
    shifted = np.roll(image, int(16 / voxel_size), axis=1)
    assert correlate_with_template(image, grid) > 0.97
    assert correlate_with_template(shifted, grid) < 0.6
    assert correlate_with_template(np.zeros_like(image), grid) == 0
