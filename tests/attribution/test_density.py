"""Distributions of attributes, against the numbers that they were drawn from."""

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from bundle.attribution.density import LEAST_SCANS, fit_distributions, fit_mixture
from bundle.networks import ClassDistributions
from bundle.sampling import sample_attributes


def draw_clusters(count: int, size: int, seed: int = 0) -> torch.Tensor:
    """Return numbers of two clusters with a common covariance, shape (count, size)."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(5).normal(size=(size, size)) / np.sqrt(size)
    centres = np.where(generator.random((count, 1)) < 0.3, 6.0, -2.0) * (np.arange(size) < 2)
    return torch.from_numpy(centres + generator.normal(size=(count, size)) @ mixing.T).float()


@pytest.mark.parametrize("size", [6, 80])
def test_draws_of_a_fitted_class_are_distributed_as_its_attributes(size: int) -> None:
    attributes = torch.cat([torch.randn(300, size), draw_clusters(300, size)])
    distributions = ClassDistributions(2, size, num_components=4, rank=16)
    fit_distributions(distributions, attributes, torch.arange(2).repeat_interleave(300))
    weight, bias = torch.zeros(2, size), torch.tensor([0.0, 1e-9])  # both classes everywhere, nearly
    draws = sample_attributes(
        weight, bias, torch.tensor([1]), 2000, 0.5, torch.Generator().manual_seed(0), distributions.list_mixtures()
    )[0]
    expected = draw_clusters(2000, size, seed=1)
    for direction in torch.eye(size)[[0, 1, size - 1]]:
        assert ks_2samp((draws @ direction).numpy(), (expected @ direction).numpy()).statistic < 0.1
    assert abs((draws[:, 0] > 2).double().mean() - 0.3) < 0.07
    torch.testing.assert_close(draws.var(0).sum(), expected.var(0).sum(), rtol=0.1, atol=0)


def test_no_component_is_the_attribute_of_one_person() -> None:
    values = torch.cat([torch.randn(60, 3), torch.full((1, 3), 500.0)])
    distributions = ClassDistributions(1, 3)
    fit_distributions(distributions, values, torch.zeros(61, dtype=torch.long))
    used = distributions.means[0][distributions.weights[0] > 0]
    assert distributions.weights[0][distributions.weights[0] > 0].min() * 61 >= LEAST_SCANS - 1e-3
    assert (used - 500).abs().amin() > 1


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_few_scans_give_a_distribution_that_can_be_drawn(count: int) -> None:
    distributions = ClassDistributions(1, 40)
    before = distributions.means.clone()
    fit_distributions(distributions, torch.randn(count, 40), torch.zeros(count, dtype=torch.long))
    assert all(buffer.isfinite().all() for buffer in distributions.buffers())
    assert torch.equal(before, distributions.means) == (count < 5)
    assert distributions.log_density(torch.randn(3, 40)).isfinite().all()


def test_scans_that_are_all_the_same_give_a_distribution_with_a_density() -> None:
    distributions = ClassDistributions(1, 5)
    fit_distributions(distributions, torch.ones(6, 5), torch.zeros(6, dtype=torch.long))
    assert distributions.log_density(torch.ones(1, 5)).isfinite().all()


def test_the_information_criterion_chooses_how_many_gaussians_there_are() -> None:
    clusters = draw_clusters(400, 3).numpy()
    assert len(fit_mixture(clusters, 8).weights_) == 2
    assert len(fit_mixture(np.random.default_rng(0).normal(size=(400, 3)), 8).weights_) == 1
