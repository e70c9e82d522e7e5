"""Standard normal numbers in half-spaces, against SciPy."""

import pytest
import torch
from scipy.stats import truncnorm

from bundle.truncated_normal import choose_component, draw_in_polytope, truncated_normal_quantile


@pytest.mark.parametrize("lower", [-8.0, -1.0, 0.0, 3.9, 4.1, 12.0, 38.0, 200.0])
def test_quantiles_of_the_truncated_normal_equal_those_of_scipy(lower: float) -> None:
    uniform = torch.tensor([1 - 1e-6, 0.7, 0.5, 0.1, 1e-8], dtype=torch.float64)
    expected = truncnorm(lower, float("inf")).isf(uniform.numpy())
    torch.testing.assert_close(
        truncated_normal_quantile(uniform, torch.tensor(lower)), torch.from_numpy(expected), atol=1e-6, rtol=1e-6
    )


def test_draws_lie_in_the_polytope_of_their_component() -> None:
    cuts, slack = torch.randn(2, 2).double(), torch.tensor([[0.5, -1.0], [-2.0, 3.0]]).double()
    generator = torch.Generator().manual_seed(0)
    component, draws = draw_in_polytope(torch.tensor([0.7, 0.3]).double(), cuts, slack, 500, 1, generator)
    assert draws.shape == (500, 2) and (draws @ cuts.T >= slack[component] - 1e-9).all()


def test_components_are_chosen_by_their_masses_and_one_alone_takes_no_random_number() -> None:
    generator = torch.Generator().manual_seed(0)
    chosen = choose_component(torch.tensor([0.2, 0.8]).log() - 900, 20000, generator)
    assert abs(chosen.double().mean() - 0.8) < 0.01
    state = generator.get_state()
    assert not choose_component(torch.zeros(1), 5, generator).any() and torch.equal(generator.get_state(), state)
