"""Tissue fractions of a T1-weighted brain, from which an image of any contrast is mixed."""

import numpy as np
from sklearn.mixture import GaussianMixture

NUM_SAMPLES = 100_000


def estimate_tissue_peaks(intensities: np.ndarray) -> np.ndarray:
    """Find the T1 intensities of cerebrospinal fluid (CSF), grey and white matter with a mixture of three Gaussians.

    Args:
        intensities: T1 intensities inside the brain, shape (N,).

    Returns:
        Peaks of CSF, grey and white matter in ascending order, shape (3,), in the units of the image.
    """
    samples = intensities[:: max(1, len(intensities) // NUM_SAMPLES)].astype(np.float64)[:, None]
    start = np.quantile(samples, [0.02, 0.4, 0.8])[:, None]
    mixture = GaussianMixture(3, means_init=start, random_state=0).fit(samples)
    return np.sort(mixture.means_[:, 0])


def compute_tissue_fractions(t1: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """Split T1 intensities into fractions of CSF, grey and white matter.

    Between two neighbouring peaks the fractions change linearly, so that mixing levels with these fractions is a
    piecewise-linear, monotone map of the T1 intensity.

    Args:
        t1: T1 intensities, any shape.
        peaks: Ascending intensities of CSF, grey and white matter, shape (3,).

    Returns:
        Fractions that sum to 1, shape (3, *t1.shape), float32.
    """
    grey_or_white = np.clip((t1 - peaks[0]) / (peaks[1] - peaks[0]), 0, 1)
    white = np.clip((t1 - peaks[1]) / (peaks[2] - peaks[1]), 0, 1)
    return np.stack([1 - grey_or_white, grey_or_white - white, white]).astype(np.float32)
