"""Realism of translated scans: the distance of their features from those of real scans."""

import numpy as np
from sklearn.metrics.pairwise import polynomial_kernel

from bundle.evaluation.bootstrap import Weighted, divide


def kernel_distance(generated: np.ndarray, real: np.ndarray) -> Weighted:
    """Return the kernel distance of two sets of features as a function of weights: the squared maximum mean discrepancy.

    E k(x, x') + E k(y, y') - 2 E k(x, y) with k(x, y) = (x.y / F + 1)^3, over pairs of different scans. It has no bias: for
    two samples of the same scans it is about zero, and may be less, however few they are. A Frechet distance needs more scans
    than features. MONAI's `MMDMetric` takes no weights, which the bootstrap needs.

    Weights (R, N + M), of the generated scans first, go to distances (R,); NaN with fewer than two scans of a set. Features have
    the shapes (N, F) and (M, F).

    Source: Binkowski et al., ICLR 2018, Sec. 4 (https://arxiv.org/abs/1801.01401), there on features of Inception.
    """
    own = [polynomial_kernel(part, degree=3, coef0=1) for part in (generated, real)]
    across = polynomial_kernel(generated, real, degree=3, coef0=1)

    def figure(weights: np.ndarray) -> np.ndarray:
        """Return the distance for each row of weights of both, shape (R,)."""
        first, second = weights[:, : len(generated)], weights[:, len(generated) :]
        means = [_mean_of_pairs(kernel, part) for kernel, part in zip(own, (first, second), strict=True)]
        mixed = divide(((first @ across) * second).sum(1), first.sum(1) * second.sum(1))
        return means[0] + means[1] - 2 * mixed

    return figure


def _mean_of_pairs(kernel: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of a kernel (N, N) over pairs of different scans, for each row of weights (R, N)."""
    off_diagonal = kernel - np.diag(np.diag(kernel))
    pairs = weights.sum(1) ** 2 - (weights**2).sum(1)
    return divide(((weights @ off_diagonal) * weights).sum(1), pairs)
