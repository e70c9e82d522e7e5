"""Removing the bias field."""

import numpy as np
import pytest

from bundle.preprocessing.bias_correction import correct_bias


@pytest.mark.slow
def test_a_known_field_is_removed_and_the_mean_kept() -> None:
    random = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1, 1, 32),) * 3, indexing="ij")
    brain = sum(axis**2 for axis in axes) < 0.9
    tissue = np.where(random.random(brain.shape) < 0.5, 80.0, 120.0) * brain
    tissue = np.where((axes[0] // 0.25 % 2 == 0) & brain, 120.0, 80.0 * brain) + random.normal(0, 2, brain.shape) * brain
    biased = np.clip(tissue * np.exp(0.4 * axes[0] - 0.3 * axes[2]), 0, None)
    corrected = correct_bias(biased, brain, np.full(3, 5.0))
    left = np.log(corrected[brain] / np.maximum(tissue[brain], 1))
    assert left.std() < 0.4 * np.log(biased[brain] / np.maximum(tissue[brain], 1)).std()
    assert corrected[brain].mean() == pytest.approx(biased[brain].mean(), rel=1e-4)


def test_standardised_scans_are_refused() -> None:
    with pytest.raises(ValueError, match="set bias_correction to False"):
        correct_bias(np.full((8, 8, 8), -1.0), np.ones((8, 8, 8), dtype=bool), np.ones(3))
