"""The grid of prepared scans."""

import numpy as np
import pytest

import bundle.data.geometry as geometry
from bundle.preprocessing.grids import place_grid, resample, straighten
from bundle.preprocessing.template import load_template


def test_grid_of_one_millimetre_is_symmetric_and_holds_the_template() -> None:
    grid, template = place_grid(1.0), load_template()
    assert grid.shape == (193, 229, 193)
    assert grid.affine[0, 3] == -(grid.affine[0, 0] * (grid.shape[0] - 1) + grid.affine[0, 3])
    inside = resample(template.image > 0, np.linalg.inv(template.affine) @ grid.affine, grid.shape)
    assert inside.sum() == (template.image > 0).sum()


@pytest.mark.parametrize("factor", [0.7, 1.0, 2.2])
def test_resampling_agrees_with_that_of_the_networks(factor: float) -> None:
    volume = np.random.default_rng(0).normal(size=(9, 8, 7))
    affine, new = np.diag([2.0, 1.5, 2.5, 1]), np.eye(4)
    new[:3, :3] = np.array([[1, 0.2, 0], [-0.2, 1, 0.1], [0, -0.1, 1]]) * factor * 2
    expected = geometry.resample(volume[None], affine, new, (6, 5, 4))[0]
    np.testing.assert_allclose(resample(volume, np.linalg.inv(affine) @ new, (6, 5, 4)), expected, atol=1e-5)


def test_straight_axes_stay_and_sheared_ones_become_straight() -> None:
    straight, sheared = np.diag([2.0, 3.0, 4.0, 1.0]), np.diag([2.0, 3.0, 4.0, 1.0])
    sheared[0, 1] = 0.5
    np.testing.assert_allclose(straighten(straight), straight)
    axes = straighten(sheared)[:3, :3]
    np.testing.assert_allclose(axes.T @ axes, np.diag(np.diag(axes.T @ axes)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(axes, axis=0), np.linalg.norm(sheared[:3, :3], axis=0))
