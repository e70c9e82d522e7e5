"""The distribution of the attributes of each class, estimated from encoded scans."""

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor

from bundle.networks import ClassDistributions

LEAST_SCANS = 5  # of a component, so that none is the attribute of one person
SCANS_PER_DIRECTION = 5  # least, for each direction whose spread is estimated apart from the others
LEAST_SPREAD = 0.01  # of a number beside the directions, as a share of the mean spread: few scans leave nothing beside them
LEAST_VARIANCE = 1e-8  # of a number, where all attributes are the same
STARTS = 3  # of a fit, of which the likeliest is kept


def fit_distributions(distributions: ClassDistributions, attributes: Tensor, labels: Tensor, seed: int = 0) -> None:
    """Fit a mixture to the attributes of each class: of Gaussians in the directions of largest spread, and noise beside them.

    No component describes fewer than `LEAST_SCANS` scans, so that none is the attribute of a person; a class with fewer keeps
    what it has.

    Source: ex-post density estimation, Ghosh et al., ICLR 2020, Sec. 4 (https://arxiv.org/abs/1903.12436); the covariance after
    Tipping and Bishop, Neural Computation 11, 1999, Sec. 3 (https://doi.org/10.1162/089976699300016728).

    Args:
        distributions: gets the mixtures.
        attributes: attribute means of training scans, shape (S, *latent_shape).
        labels: their classes, shape (S,).
        seed: seed of the first guesses.
    """
    num_classes, num_components = distributions.weights.shape
    for label in range(num_classes):
        members = attributes[(labels == label).to(attributes.device)].flatten(1).double().cpu().numpy()
        if len(members) < LEAST_SCANS:
            continue
        centre, count = members.mean(0), len(members)
        rank = min(distributions.directions.shape[2], max(1, count // SCANS_PER_DIRECTION))
        axes = np.linalg.svd(members - centre, full_matrices=False)[2][:rank].T  # (N, r)
        scores = (members - centre) @ axes
        mixture = fit_mixture(scores, num_components, seed)
        beside = np.square(members - centre - scores @ axes.T).sum(0) / max(count - rank, 1)
        beside = np.maximum(beside, max(LEAST_SPREAD**2 * members.var(0).mean(), LEAST_VARIANCE))
        directions = axes @ np.linalg.cholesky(mixture.covariances_)
        parts = (mixture.weights_, centre + mixture.means_ @ axes.T, directions, np.sqrt(beside))
        distributions.set_class(label, *map(torch.from_numpy, parts))


def fit_mixture(values: np.ndarray, num_components: int, seed: int = 0) -> GaussianMixture:
    """Fit mixtures of 1, 2, 4, ... Gaussians with one covariance, and return the one with the best information criterion.

    Args:
        values: one row a scan, shape (S, N).
        num_components: most components.
        seed: seed of the first guesses.
    """
    floor = 1e-6 * max(float(values.var(0).mean()), float(np.finfo(np.float32).tiny))
    best, least = None, np.inf
    for count in (2**power for power in range(num_components.bit_length())):
        if count > 1 and count * LEAST_SCANS > len(values):
            break
        mixture = GaussianMixture(count, covariance_type="tied", reg_covar=floor, n_init=STARTS, random_state=seed).fit(values)
        criterion = mixture.bic(values)
        if count == 1 or (criterion < least and mixture.weights_.min() * len(values) >= LEAST_SCANS):
            best, least = mixture, criterion
    assert best is not None
    return best
