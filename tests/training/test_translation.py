"""Attributes that are drawn for a translation; its other parts are tested with the objective."""

import pytest
import torch
from scipy.stats import ks_2samp, kstest

from bundle.networks import ICAM
from bundle.sampling import draw_latents, draw_on_device
from bundle.training.translation import Translation, pair_classes


def test_draws_are_of_the_target_class(network: ICAM) -> None:
    target = torch.tensor([0, 1, 1])
    draws = draw_latents(network, target, num_samples=5)
    assert draws.shape == (3, 5, *network.attribute_encoder.latent_shape)
    assert torch.equal(network.classify(draws.flatten(0, 1)).argmax(1), target.repeat_interleave(5))


def test_without_a_classifier_draws_are_standard_normal_whatever_the_class(make_network) -> None:
    network = make_network(classification=False)
    draws = [draw_latents(network, torch.full((50,), k), 40, generator=torch.Generator().manual_seed(1)) for k in (0, 1)]
    assert torch.equal(*draws)
    assert kstest(draws[0].flatten().numpy(), "norm").pvalue > 0.01


def test_without_a_classifier_a_batch_is_translated_but_not_classified(make_network, image, labels) -> None:
    translation = Translation(make_network(classification=False), image, labels, pair_classes(labels))
    assert translation.translated.shape == (8, *image.shape[1:])
    assert torch.equal(translation.attribute_classes, 1 - labels)  # of the exemplars alone
    with pytest.raises(ValueError, match="built with classification=True"):
        _ = translation.logits


def test_the_cycle_teaches_encoders_and_generator_and_not_the_translation(network: ICAM, image, labels) -> None:
    translation = Translation(network, image, labels, pair_classes(labels))
    translation.translated.retain_grad()
    (translation.cycle - image).abs().mean().backward()
    assert translation.translated.grad is None
    for part in (network.content_encoder, network.attribute_encoder, network.generator):
        assert any(weight.grad is not None and weight.grad.any() for weight in part.parameters())


@pytest.mark.parametrize("fitted", [False, True])
def test_draws_on_the_device_are_distributed_as_the_seeded_ones(make_network, fitted: bool) -> None:
    network = make_network(num_components=4 * fitted)
    if network.distributions is not None:
        network.distributions.weights[:] = torch.tensor([0.6, 0.3, 0.1, 0.0])
        network.distributions.means.normal_()
        network.distributions.directions.normal_()
    network.attribute_encoder.classifier.bias.data[:] = torch.tensor([0.0, -1.5])  # few attributes are of class 1
    target = torch.tensor([0, 1] * 1000)
    draws = draw_on_device(network, target)
    assert torch.equal(network.classify(draws).argmax(1), target)
    seeded = draw_latents(network, target, generator=torch.Generator().manual_seed(1))[:, 0]
    weight = network.attribute_encoder.classifier.weight
    for direction in (weight[1] - weight[0], torch.randn_like(weight[0])):  # the truncated one, and any other
        for label in (0, 1):
            ours, theirs = ((part[target == label].flatten(1) @ direction).detach().numpy() for part in (draws, seeded))
            assert ks_2samp(ours, theirs).pvalue > 1e-3


@pytest.mark.parametrize("options", [{"num_classes": 3}, {"classification": False}])
def test_draws_on_the_device_are_of_each_target_class_where_there_are_several_or_none(make_network, options: dict) -> None:
    network = make_network(**options)
    target = torch.tensor([0, 1, 1])
    draws = draw_on_device(network, target)
    assert draws.shape == (3, *network.attribute_encoder.latent_shape)
    if "num_classes" in options:
        assert torch.equal(network.classify(draws).argmax(1), target)
