"""The distribution of the attributes of each class: a Gaussian mixture that is fitted to the cohort and part of the network."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Mixture(NamedTuple):
    """A mixture of M Gaussians of N numbers with one covariance, `factor @ factor.T`.

    Attributes:
        weights: shares of the components, shape (M,).
        means: shape (M, N).
        factor: shape (N, Q); a draw of component m is `means[m] + factor @ e`, with Q standard normal numbers e.
    """

    weights: Tensor
    means: Tensor
    factor: Tensor


class ClassDistributions(nn.Module):
    """A Gaussian mixture for each class, all in buffers; N(0, I) until it is fitted.

    The components of a class share a covariance: some directions, and a spread of each number beside them, so that fewer scans
    than numbers are enough. How it is fitted: `bundle.attribution.density`.

    Args:
        num_classes: K.
        size: numbers of an attribute, N.
        num_components: most components of a class, M.
        rank: most directions of the covariance, R, at most N.
    """

    def __init__(self, num_classes: int, size: int, num_components: int = 8, rank: int = 64) -> None:
        super().__init__()
        self.weights: Tensor  # shares of the components, (K, M)
        self.means: Tensor  # of the components, (K, M, N)
        self.directions: Tensor  # of the covariance, as long as the spread along them, (K, N, R)
        self.spread: Tensor  # standard deviation of each number beside them, (K, N)
        first = torch.zeros(num_classes, num_components)
        first[:, 0] = 1
        self.register_buffer("weights", first)
        self.register_buffer("means", torch.zeros(num_classes, num_components, size))
        self.register_buffer("directions", torch.zeros(num_classes, size, min(rank, size)))
        self.register_buffer("spread", torch.ones(num_classes, size))

    @property
    def factors(self) -> Tensor:
        """Factors of the covariances, double precision, shape (K, N, R + N)."""
        return torch.cat([self.directions, torch.diag_embed(self.spread)], dim=2).double()

    def list_mixtures(self) -> list[Mixture]:
        """Return the mixture of each class, double precision, on the CPU."""
        parts = (self.weights.double().cpu(), self.means.double().cpu(), self.factors.cpu())
        return [Mixture(*each) for each in zip(*parts, strict=True)]

    @property
    def covariance(self) -> Tensor:
        """Covariance of the attributes of all classes together, as many of each, double precision, shape (N, N)."""
        shares = (self.weights.double() / len(self.weights)).flatten()  # (K * M,)
        means = self.means.double().flatten(0, 1)
        centred = means - shares @ means
        return (self.factors @ self.factors.mT).mean(0) + centred.T @ (shares[:, None] * centred)

    def log_density(self, attribute: Tensor) -> Tensor:
        """Return the log density of attributes (B, N) under the distribution of each class, double precision, shape (B, K)."""
        parts = [self._log_parts(attribute, label).logsumexp(1) for label in range(len(self.weights))]
        return torch.stack(parts, dim=1)

    def find_components(self, attribute: Tensor, label: int) -> Tensor:
        """Return the probability of each component of a class, given attributes of the class.

        Args:
            attribute: shape (B, N).
            label: the class.

        Returns:
            Double precision, shape (B, M); 0 of components that the class does not have.
        """
        return self._log_parts(attribute, label).softmax(1)

    def _log_parts(self, attribute: Tensor, label: int) -> Tensor:
        """Return the log density of attributes (B, N) under each component of a class, with its share, shape (B, M)."""
        factor, means = self.factors[label], self.means[label].double()
        triangle = torch.linalg.cholesky(factor @ factor.T)
        offset = attribute.double()[:, None] - means  # (B, M, N)
        white = torch.linalg.solve_triangular(triangle, offset.flatten(0, 1).T, upper=False)  # (N, B * M)
        squares = white.square().sum(0).view(offset.shape[:2])
        constant = triangle.diagonal().log().sum() + 0.5 * len(triangle) * math.log(2 * math.pi)
        return self.weights[label].double().log() - 0.5 * squares - constant

    def set_class(self, label: int, weights: Tensor, means: Tensor, directions: Tensor, spread: Tensor) -> None:
        """Give a class its mixture.

        Args:
            label: the class.
            weights: shares of up to M components, shape (m,).
            means: their means, shape (m, N).
            directions: up to R directions of the covariance, shape (N, r).
            spread: standard deviation of each number beside them, shape (N,).
        """
        for buffer in (self.weights, self.means, self.directions):
            buffer[label] = 0
        self.weights[label, : len(weights)] = weights.to(self.weights)
        self.means[label, : len(means)] = means.to(self.means)
        self.directions[label, :, : directions.shape[1]] = directions.to(self.directions)
        self.spread[label] = spread.to(self.spread)
