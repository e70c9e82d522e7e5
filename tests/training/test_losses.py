"""Each loss: closed form, best value, gradient, mean over the batch, and an error."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from bundle.training.losses import KLLoss, RoughnessLoss, UniformClassLoss


def test_kl_equals_the_closed_form_of_torch() -> None:
    mean, log_variance = torch.randn(3, 1, 2, 2), torch.randn(3, 1, 2, 2)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(KLLoss()(mean, log_variance), expected)


def test_kl_is_zero_for_the_prior() -> None:
    assert KLLoss()(torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)) == 0


def test_kl_does_not_depend_on_the_size_of_the_latent() -> None:
    small = KLLoss()(torch.ones(2, 1, 2, 2), torch.zeros(2, 1, 2, 2))
    assert small == KLLoss()(torch.ones(6, 1, 8, 8), torch.zeros(6, 1, 8, 8)) == 0.5


def test_uniform_class_loss_is_zero_when_nothing_is_known_and_large_when_all_is() -> None:
    assert UniformClassLoss()(torch.full((4, 3), 2.0)) == pytest.approx(0, abs=1e-6)
    assert UniformClassLoss()(torch.tensor([[20.0, -20.0]])) > 10


def test_uniform_class_loss_equals_its_formula() -> None:
    logits = torch.tensor([[1.0, 0.0]])
    probability = torch.tensor(1.0).sigmoid()
    expected = -0.5 * (probability.log() + (1 - probability).log()) - torch.tensor(2.0).log()
    torch.testing.assert_close(UniformClassLoss()(logits), expected)


def test_roughness_is_zero_for_a_shift_of_everything_and_the_squared_slope_for_a_ramp(
    spatial_dims: int, image_size: tuple[int, ...]
) -> None:
    everything = torch.ones(2, spatial_dims, *image_size)
    ramp = torch.arange(image_size[0]).float().view(-1, *[1] * (spatial_dims - 1)).expand(2, spatial_dims, *image_size)
    assert RoughnessLoss()(everything) == 0
    torch.testing.assert_close(RoughnessLoss()(3 * ramp + everything), torch.tensor(9.0))


LOSSES = {
    "kl": (lambda x: KLLoss()(x, x.flip(1))),
    "uniform": (lambda x: UniformClassLoss()(x)),
    "roughness": (lambda x: RoughnessLoss()(x[:, None])),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_is_the_mean_of_single_calls(name: str) -> None:
    batch = torch.randn(4, 3)
    singles = torch.stack([LOSSES[name](one) for one in batch.split(1)])
    torch.testing.assert_close(LOSSES[name](batch), singles.mean())


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_and_not_zero(name: str) -> None:
    batch = torch.randn(4, 3, requires_grad=True)
    LOSSES[name](batch).backward()
    assert batch.grad.isfinite().all() and batch.grad.any()


@pytest.mark.parametrize(
    "call",
    [
        lambda: KLLoss()(torch.zeros(1, 2), torch.zeros(2, 1)),
        lambda: UniformClassLoss()(torch.zeros(3)),
        lambda: RoughnessLoss()(torch.zeros(1, 2, 1, 3)),
    ],
)
def test_wrong_shapes_are_refused(call) -> None:
    with pytest.raises(ValueError, match="must|needs"):
        call()
