"""Preprocessing of one scan."""

import numpy as np

from bundle.preprocessing.pipeline import straighten


def test_straight_axes_stay_and_sheared_ones_become_straight() -> None:
    straight, sheared = np.diag([2.0, 3.0, 4.0, 1.0]), np.diag([2.0, 3.0, 4.0, 1.0])
    sheared[0, 1] = 0.5
    np.testing.assert_allclose(straighten(straight), straight)
    axes = straighten(sheared)[:3, :3]
    np.testing.assert_allclose(axes.T @ axes, np.diag(np.diag(axes.T @ axes)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(axes, axis=0), np.linalg.norm(sheared[:3, :3], axis=0))
