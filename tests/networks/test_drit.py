"""DRIT's networks as parts of ICAM: an attribute that is a vector."""

import pytest
import torch

from bundle.attribution import EncodedScans, PriorSource, exemplar_maps, interpolate, sampled_maps
from bundle.networks import (
    ICAM,
    ContentDiscriminator,
    ContentEncoder,
    Discriminators,
    DomainDiscriminator,
    VectorAttributeEncoder,
    VectorGenerator,
)
from bundle.structures import Attributes
from bundle.training import MeanChange, Phase
from bundle.training.objective import AdversarialObjective, DiscriminatorObjective, GeneratorObjective
from bundle.training.steps import DiscriminatorStep, GeneratorStep
from bundle.training.translation import pair_classes

SIZE = 5  # numbers of the attribute


@pytest.fixture
def network(spatial_dims: int, image_size: tuple[int, ...]) -> ICAM:
    """An untrained network with DRIT's parts, which does not classify."""
    content_encoder = ContentEncoder(spatial_dims, channels=4, num_blocks=1, noise=1.0)
    attribute_encoder = VectorAttributeEncoder(spatial_dims, image_size, size=SIZE, channels=4)
    return ICAM(content_encoder, attribute_encoder, VectorGenerator(spatial_dims, 16, SIZE, num_blocks=1))


@pytest.fixture
def ones(labels: torch.Tensor) -> torch.Tensor:
    """The diseased class for each scan."""
    return torch.ones_like(labels)


def test_the_attribute_is_a_vector_and_images_are_on_the_scans_grid(
    network: ICAM, image: torch.Tensor, ones: torch.Tensor
) -> None:
    content, mean, log_variance = network.encode(image)
    assert mean.shape == log_variance.shape == (4, SIZE, *[1] * (image.ndim - 2))
    assert network.attribute_encoder.latent_shape == mean.shape[1:] == network.class_attributes.shape[1:]
    assert network.decode(content, mean, ones).shape == image.shape
    assert network.decode(content, mean, ones).abs().max() <= 1


def test_decoding_several_attributes_equals_decoding_each(network: ICAM, image: torch.Tensor, ones: torch.Tensor) -> None:
    content, mean, _ = network.eval().encode(image)
    both = network.decode(content, torch.cat([mean, -mean]), ones.repeat(2))
    each = torch.cat([network.decode(content, mean, ones), network.decode(content, -mean, ones)])
    torch.testing.assert_close(both, each, atol=1e-5, rtol=1e-4)


def test_a_batch_equals_single_calls(network: ICAM, image: torch.Tensor, ones: torch.Tensor) -> None:
    content, mean, _ = network.eval().encode(image)
    singles = [network.encode(one) for one in image.split(1)]
    torch.testing.assert_close(mean, torch.cat([one.mean for one in singles]), atol=1e-5, rtol=1e-4)
    decoded = torch.cat([network.decode(one.content, one.mean, ones[:1]) for one in singles])
    torch.testing.assert_close(network.decode(content, mean, ones), decoded, atol=1e-5, rtol=1e-4)


def test_every_weight_has_a_gradient(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    content, mean, log_variance = network.encode(image)
    network.decode(content, mean + log_variance, labels).square().mean().backward()
    idle = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not [name for name in idle if not name.endswith("bias")], idle  # biases before a normalisation are cancelled


def test_the_attribute_changes_every_part_of_the_image(network: ICAM, image: torch.Tensor, ones: torch.Tensor) -> None:
    content, mean, _ = network.eval().encode(image)
    change = (network.decode(content, mean + 3, ones) - network.decode(content, mean, ones)).abs()
    corners = [(..., *[part] * (image.ndim - 2)) for part in (slice(8), slice(-8, None))]
    assert all(change[corner].max() > 1e-4 for corner in corners)


def test_the_class_decides_the_image_and_may_be_given_as_shares(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    content, mean, _ = network.eval().encode(image)
    shares = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert torch.equal(network.decode(content, mean, labels), network.decode(content, mean, shares))
    assert not torch.equal(network.decode(content, mean, labels), network.decode(content, mean, 1 - labels))
    with pytest.raises(ValueError, match="give their labels"):
        network.decode(content, mean)


def test_maps_lead_from_the_own_class_to_the_target(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    content, mean, _ = network.eval().encode(image)
    scans = EncodedScans(network, image, labels=labels)
    expected = network.decode(content, mean, 1 - labels) - network.decode(content, mean, labels)
    torch.testing.assert_close(exemplar_maps(scans, Attributes(mean), 1 - labels).mean, expected.detach())
    source = PriorSource(network, 3)
    maps = sampled_maps(scans, 1 - labels, {label: source.draw(label) for label in (0, 1)}, chunk_size=2)
    assert maps.mean.shape == image.shape
    strip = interpolate(network, image, mean, mean, 3, (labels, 1 - labels))
    torch.testing.assert_close(strip[:, 2] - strip[:, 0], expected.detach())


def test_the_objective_takes_it_and_asks_for_no_class_of_the_attribute(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor, spatial_dims: int
) -> None:
    content = ContentDiscriminator(spatial_dims, 16, channels=(4,))
    discriminators = Discriminators(content, DomainDiscriminator(spatial_dims, channels=(4, 4)))
    names = {*GeneratorObjective.terms, *AdversarialObjective.terms}
    names -= {"attribute_class", "latent_readout", "shift_roughness", "regression"}  # which need what it has not
    phase = Phase(None, 4, dict.fromkeys(names, 1.0), dict.fromkeys(DiscriminatorObjective.terms, 1.0))
    means = MeanChange(2, image.shape[2:])
    losses, shown = GeneratorStep(network, phase, mean_change=means)(image, labels, pair_classes(labels))
    total = losses["total"]
    for objective in (phase.discriminators, phase.adversarial):
        total = total + DiscriminatorStep(discriminators, objective)(image, labels, shown)["total"]
    total.backward()
    assert total.isfinite()
    with pytest.raises(ValueError, match="built with classification=True"):
        GeneratorStep(network, Phase(None, 4, {"attribute_class": 1.0}, {}))(image, labels, pair_classes(labels))


def test_image_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 multiples of 16"):
        VectorAttributeEncoder(2, (40, 48))
