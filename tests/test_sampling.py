"""Draws of a wanted class, against brute-force rejection and SciPy."""

import pytest
import torch
from scipy.stats import ks_2samp, kstest

from bundle.networks import Mixture
from bundle.sampling import TRIES, draw_latents, draw_on_device, sample_attributes
from tests.tiny_cohort import build_network


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def reject(weight: torch.Tensor, bias: torch.Tensor, label: int, threshold: float, count: int) -> torch.Tensor:
    """Brute force: keep the draws from N(0, I) that meet every pairwise threshold."""
    draws = torch.randn(count, weight.shape[1], generator=seeded(1))
    logits = draws @ weight.T + bias
    others = [k for k in range(len(bias)) if k != label]
    return draws[((logits[:, [label]] - logits[:, others]).sigmoid() > threshold).all(1)]


@pytest.mark.parametrize("num_classes", [2, 3, 5])
@pytest.mark.parametrize("threshold", [0.5, 0.9])
def test_the_class_is_always_the_asked_one(num_classes: int, threshold: float) -> None:
    weight, bias = torch.randn(num_classes, 12), torch.randn(num_classes)
    target = torch.arange(num_classes)
    logits = sample_attributes(weight, bias, target, 200, threshold, seeded()) @ weight.T + bias
    margin = logits.gather(2, target.view(-1, 1, 1).expand(-1, 200, 1)) - logits
    odds = torch.tensor(threshold).logit()
    margin[torch.arange(num_classes), :, target] = torch.inf
    assert (margin >= odds - 1e-4).all()


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_draws_are_distributed_as_those_of_rejection(num_classes: int, threshold: float) -> None:
    weight, bias = 0.7 * torch.randn(num_classes, 4, generator=seeded(3)), 0.3 * torch.randn(num_classes, generator=seeded(4))
    draws = sample_attributes(weight, bias, torch.tensor([1]), 20000, threshold, seeded())[0]
    reference = reject(weight, bias, 1, threshold, 400000)
    for first, second in zip(draws.T, reference.T, strict=True):
        assert ks_2samp(first.numpy(), second.numpy()).pvalue > 1e-3
    torch.testing.assert_close(draws.T.cov(), reference.T.cov(), atol=0.05, rtol=0)


def test_hit_and_run_is_distributed_as_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bundle.truncated_normal.REJECTION_ROUNDS", 0)
    weight, bias = torch.randn(3, 4, generator=seeded(3)), torch.zeros(3)
    draws = sample_attributes(weight, bias, torch.tensor([2]), 8000, 0.6, seeded())[0]
    reference = reject(weight, bias, 2, 0.6, 400000)
    for first, second in zip(draws.T, reference.T, strict=True):
        assert ks_2samp(first.numpy(), second.numpy()).pvalue > 1e-3


def test_components_that_do_not_decide_stay_standard_normal() -> None:
    weight = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    draws = sample_attributes(weight, torch.zeros(2), torch.tensor([1]), 5000, 0.9, seeded())[0]
    assert (draws[:, 0] > torch.tensor(0.9).logit() / 2).all()
    assert all(kstest(column.numpy(), "norm").pvalue > 1e-3 for column in draws[:, 1:].T)


def make_mixtures(num_classes: int, size: int = 4, num_components: int = 3) -> list[Mixture]:
    """Return a mixture for each class, of more random numbers than an attribute has."""
    kind = {"dtype": torch.float64, "generator": seeded(9)}
    return [
        Mixture(
            torch.rand(num_components, **kind).softmax(0), torch.randn(num_components, size, **kind), torch.randn(size, 6, **kind)
        )
        for _ in range(num_classes)
    ]


def draw_components(mixture: Mixture, count: int) -> torch.Tensor:
    """Draw from a whole mixture."""
    component = torch.multinomial(mixture.weights, count, replacement=True, generator=seeded(2))
    noise = torch.randn(count, mixture.factor.shape[1], dtype=torch.float64, generator=seeded(3))
    return mixture.means[component] + noise @ mixture.factor.T


@pytest.mark.parametrize("rounds", [64, 0])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_draws_of_a_mixture_are_those_that_rejection_keeps(
    num_classes: int, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bundle.truncated_normal.REJECTION_ROUNDS", rounds)
    weight, bias = torch.randn(num_classes, 4, generator=seeded(3)), 0.3 * torch.randn(num_classes, generator=seeded(4))
    mixtures, label = make_mixtures(num_classes), num_classes - 1
    draws = sample_attributes(weight, bias, torch.tensor([label]), 8000, 0.8, seeded(), mixtures)[0]
    whole = draw_components(mixtures[label], 200000).float()
    logits = whole @ weight.T + bias
    others = [k for k in range(num_classes) if k != label]
    reference = whole[((logits[:, [label]] - logits[:, others]).sigmoid() > 0.8).all(1)]
    for first, second in zip(draws.T, reference.T, strict=True):
        assert ks_2samp(first.numpy(), second.numpy()).pvalue > 1e-3


def test_components_far_from_the_class_are_drawn_by_their_share_inside_it() -> None:
    means = torch.tensor([[-50.0, 0.0], [-50.2, 9.0]], dtype=torch.float64)  # neither has one draw in a million of class 1
    mixtures = [Mixture(torch.tensor([0.5, 0.5], dtype=torch.float64), means, torch.eye(2, dtype=torch.float64))] * 2
    weight = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    draws = sample_attributes(weight, torch.zeros(2), torch.tensor([1]), 2000, 0.5, seeded(), mixtures)[0]
    assert (draws[:, 0] >= 0).all()
    expected = torch.special.log_ndtr(means[:, 0]).softmax(0)[1]
    assert abs((draws[:, 1] > 4.5).double().mean() - expected) < 1e-3


def test_a_class_that_rejection_would_never_draw_is_drawn() -> None:
    weight, bias = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([-60.0, 0.0])
    draws = sample_attributes(weight, bias, torch.tensor([0]), 100, 0.5, seeded())[0].double()
    assert ((draws @ weight.double().T + bias).argmax(1) == 0).all()


def test_the_same_seed_gives_the_same_draws_and_another_does_not() -> None:
    arguments = (torch.randn(3, 6), torch.zeros(3), torch.tensor([0, 2]), 7, 0.5)
    assert torch.equal(sample_attributes(*arguments, seeded(5)), sample_attributes(*arguments, seeded(5)))
    assert not torch.equal(sample_attributes(*arguments, seeded(5)), sample_attributes(*arguments, seeded(6)))


def test_no_draw_is_zero() -> None:
    draws = sample_attributes(torch.randn(2, 6), torch.zeros(2), torch.tensor([0]), 50, 0.5, seeded())
    assert (draws.abs().amax(2) > 0).all()


@pytest.mark.parametrize("num_classes", [2, 3])
def test_a_class_that_does_not_exist_in_the_latent_space_raises(num_classes: int) -> None:
    bias = torch.arange(num_classes, dtype=torch.float)
    with pytest.raises(ValueError, match="class 0"):
        sample_attributes(torch.zeros(num_classes, 6), bias, torch.tensor([0]))


@pytest.mark.parametrize(("target", "threshold"), [([2], 0.5), ([-1], 0.5), ([0], 0.0), ([0], 1.0)])
def test_wrong_arguments_are_refused(target: list, threshold: float) -> None:
    with pytest.raises(ValueError, match="got"):
        sample_attributes(torch.randn(2, 6), torch.zeros(2), torch.tensor(target), 1, threshold)


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_draws_on_the_device_are_distributed_as_the_others(spatial_dims: int, num_classes: int) -> None:
    network = build_network(spatial_dims, num_classes)
    classifier = network.attribute_encoder.classifier
    assert classifier is not None
    classifier.weight.data = torch.tensor([[1.0, 0.0], [-0.5, 0.9], [-0.5, -0.9]])[:num_classes]
    torch.manual_seed(5)
    target = torch.full((6000,), 1)
    draws = draw_on_device(network, target).flatten(1)
    reference = draw_latents(network, torch.tensor([1]), 6000, generator=seeded()).flatten(0, 1).flatten(1)
    logits = network.classify(draws).detach()
    assert (logits[:, 1] >= logits.amax(1) - 1e-5).all()
    for first, second in zip(draws.T, reference.T, strict=True):
        assert ks_2samp(first.numpy(), second.numpy()).pvalue > 1e-3


def test_of_three_classes_one_that_is_hardly_drawn_gets_the_nearest_draw() -> None:
    network = build_network(2, 3)
    classifier = network.attribute_encoder.classifier
    assert classifier is not None
    classifier.bias.data = torch.tensor([0.0, -100.0, 0.0])
    draws = draw_on_device(network, torch.tensor([1, 0]).repeat(50))
    logits = network.classify(draws).detach()
    margin = logits[:, 1] - logits[:, [0, 2]].amax(1)
    assert (logits[1::2].argmax(1) == 0).all() and (margin[::2] < 0).all()
    assert margin[::2].mean() > margin[1::2].mean() and TRIES > 1
