"""The steps of an iteration as modules."""

import pytest
import torch

from bundle.networks import ContentDiscriminator, DeformingGenerator, Discriminators, DomainDiscriminator
from bundle.training import Phase
from bundle.training.steps import DiscriminatorStep, GeneratorStep
from bundle.training.translation import pair_classes

GENERATOR = {"content_adversarial": 2.0, "domain_class": 3.0, "kl": 1.0, "attribute_class": 1.0, "reconstruction_l1": 10.0}
PHASES = {
    "whole": Phase(None, 4, GENERATOR, {"content_class": 1.0, "domain_adversarial": 1.0, "domain_class": 1.0}),
    "reconstruction": Phase(1, 4, {"kl": 1.0, "reconstruction_l1": 1.0}, {}),
    "classifier": Phase(1, 4, {"attribute_class": 1.0}, {"domain_class": 1.0}),
}


@pytest.fixture
def discriminators(spatial_dims: int) -> Discriminators:
    content = ContentDiscriminator(spatial_dims, 16, channels=[4])
    return Discriminators(content, DomainDiscriminator(spatial_dims, channels=[4, 4]))


def test_all_weights_of_the_network_have_a_gradient_by_one_call(make_network, image, labels, discriminators) -> None:
    network, phase = make_network(), PHASES["whole"]
    losses, shown = GeneratorStep(network, phase)(image, labels, pair_classes(labels))
    against = DiscriminatorStep(discriminators.requires_grad_(False), phase.adversarial)(image, labels, shown)
    (losses["total"] + against["total"]).backward()
    assert all(weight.grad is not None for weight in network.parameters())
    assert all(weight.grad is None for weight in discriminators.parameters())


def test_discriminators_learn_from_what_is_shown_and_encoders_and_generator_do_not(
    make_network, image, labels, discriminators
) -> None:
    network, phase = make_network(), PHASES["whole"]
    _, shown = GeneratorStep(network, phase)(image, labels, pair_classes(labels))
    DiscriminatorStep(discriminators, phase.discriminators)(image, labels, shown.detach())["total"].backward()
    assert all(weight.grad is not None for weight in discriminators.parameters())
    assert all(weight.grad is None for weight in network.parameters())


@pytest.mark.parametrize(("name", "content", "translated"), [("whole", 1, 1), ("reconstruction", 0, 0), ("classifier", 0, 0)])
def test_what_no_discriminator_sees_is_not_made_for_them(
    make_network, image, labels, name: str, content: int, translated: int
) -> None:
    _, shown = GeneratorStep(make_network(), PHASES[name])(image, labels, pair_classes(labels))
    assert (shown.content is not None, shown.translated is not None) == (content, translated)


@pytest.mark.parametrize("generator", [None, DeformingGenerator])
def test_a_step_asks_no_tensor_for_its_value(make_network, image, labels, discriminators, monkeypatch, generator) -> None:
    network = make_network(**({"generator": generator} if generator else {}))
    weights = {"attribute_class": 1.0, "kl": 1.0, "domain_class": 1.0, "reconstruction_l1": 1.0, "latent_readout": 1.0}
    phase, partner = Phase(None, 4, weights, {"domain_adversarial": 1.0}), pair_classes(labels)
    for name in ("item", "tolist", "__bool__", "__int__", "__float__", "cpu", "numpy", "unique", "nonzero"):
        monkeypatch.setattr(torch.Tensor, name, lambda *_, name=name, **__: pytest.fail(f"{name} waits for the device"))
    losses, shown = GeneratorStep(network, phase)(image, labels, partner)
    total = losses["total"] + DiscriminatorStep(discriminators, phase.adversarial)(image, labels, shown)["total"]
    total.backward()
    DiscriminatorStep(discriminators, phase.discriminators)(image, labels, shown.detach())["total"].backward()
    network.update_class_attributes(shown.mean.detach(), labels)
