"""Tissue fractions of images with known tissues."""

import numpy as np

from bundle.simulation.tissues import compute_tissue_fractions, estimate_tissue_peaks


def test_peaks_of_a_known_mixture_are_found() -> None:
    random = np.random.default_rng(0)
    parts = [random.normal(mean, 4, number) for mean, number in ((30, 2000), (80, 8000), (110, 6000))]
    np.testing.assert_allclose(estimate_tissue_peaks(np.concatenate(parts)), [30, 80, 110], atol=1)


def test_fractions_are_pure_at_the_peaks_and_linear_between() -> None:
    intensities = np.array([0.0, 30.0, 55.0, 80.0, 95.0, 110.0, 200.0])
    fractions = compute_tissue_fractions(intensities, np.array([30.0, 80.0, 110.0]))
    expected = [[1, 1, 0.5, 0, 0, 0, 0], [0, 0, 0.5, 1, 0.5, 0, 0], [0, 0, 0, 0, 0.5, 1, 1]]
    np.testing.assert_allclose(fractions, expected, atol=1e-6)
