"""The distribution of a class against SciPy."""

import numpy as np
import torch
from scipy import stats

from bundle.networks.distributions import ClassDistributions


def test_the_probability_of_a_component_is_its_share_of_the_density() -> None:
    torch.manual_seed(0)
    distributions = ClassDistributions(2, 4, 3, 2)
    weights, means = torch.tensor([0.2, 0.8]), torch.randn(2, 4)
    distributions.set_class(1, weights, means, torch.randn(4, 2), torch.rand(4) + 0.5)
    points = torch.randn(6, 4)
    factor = distributions.factors[1].numpy()
    density = np.stack([
        float(weight) * stats.multivariate_normal(mean.numpy(), factor @ factor.T).pdf(points.numpy())
        for weight, mean in zip(weights, means, strict=True)
    ], axis=1)  # fmt: skip
    found = distributions.find_components(points, 1).numpy()
    np.testing.assert_allclose(found[:, :2], density / density.sum(1, keepdims=True), rtol=1e-4)
    assert (found[:, 2] == 0).all()
    np.testing.assert_allclose(distributions.log_density(points)[:, 1].numpy(), np.log(density.sum(1)), rtol=1e-4)
