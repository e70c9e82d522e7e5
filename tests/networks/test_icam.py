"""The network as a whole: shapes, determinism, use of every parameter."""

import pytest
import torch
from monai.networks.utils import eval_mode

from bundle.networks import ICAM, AttributeEncoder, ContentDiscriminator, DomainDiscriminator, ResidualGenerator
from bundle.structures import DomainLogits


def test_latents_and_images_have_the_documented_shapes(network: ICAM, image: torch.Tensor, image_size: tuple) -> None:
    latents = network.encode(image)
    assert latents.content.shape == (4, network.content_encoder.out_channels, *(size // 4 for size in image_size))
    assert latents.mean.shape == latents.log_variance.shape == (4, 1, *(size // 16 for size in image_size))
    assert network.classify(latents.mean).shape == (4, 2)
    assert network.decode(latents.content, latents.mean).shape == image.shape
    assert network(image).shape == image.shape


def test_decoding_several_attributes_equals_decoding_each(network: ICAM, image: torch.Tensor) -> None:
    with eval_mode(network):
        content, mean, _ = network.encode(image)
        first, second = mean, torch.randn_like(mean)
        both = network.decode(content, torch.cat([first, second]))
        each = torch.cat([network.decode(content, first), network.decode(content, second)])
    torch.testing.assert_close(both, each, atol=1e-5, rtol=1e-4)


def test_a_batch_equals_single_calls(network: ICAM, image: torch.Tensor) -> None:
    with eval_mode(network):
        torch.testing.assert_close(network(image), torch.cat([network(one) for one in image.split(1)]), atol=1e-5, rtol=1e-4)


def test_evaluation_is_deterministic_and_training_noise_is_not(network: ICAM, image: torch.Tensor) -> None:
    with eval_mode(network):
        assert torch.equal(network(image), network(image))
    assert not torch.equal(network.train().encode(image).content, network.encode(image).content)


def test_every_parameter_has_a_gradient(network: ICAM, image: torch.Tensor) -> None:
    content, mean, log_variance = network.encode(image)
    loss = network.decode(content, mean + log_variance).square().mean() + network.classify(mean).square().mean()
    loss.backward()
    idle = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    # a bias before instance normalisation is cancelled by it, up to rounding
    assert not [name for name in idle if not name.endswith("bias")], idle


def test_translation_with_the_own_attribute_is_the_reconstruction(network: ICAM, image: torch.Tensor) -> None:
    with eval_mode(network):
        content, mean, _ = network.encode(image)
        torch.testing.assert_close(network.translate(image, mean), network.decode(content, mean))


def test_the_latent_is_aligned_with_the_image(network: ICAM, image: torch.Tensor) -> None:
    """A change in one corner of the image changes the content most in the same corner."""
    with eval_mode(network):
        changed = image.clone()
        corner = (..., *[slice(0, 8)] * (image.ndim - 2))
        changed[corner] = 1.0
        mean = network.encode(image).mean
        delta = (network.content_encoder(changed, mean) - network.content_encoder(image, mean)).abs().sum(1)[0]
    position = torch.tensor(torch.unravel_index(delta.argmax(), delta.shape))
    assert (position <= 3).all()


def test_the_map_of_forward_is_zero_for_an_identity_translation(network: ICAM, image: torch.Tensor) -> None:
    with eval_mode(network):
        one = image[:1]
        network.class_attributes.copy_(network.encode(one).mean.expand_as(network.class_attributes))
        assert network(one).abs().max() == 0


def test_class_attributes_move_to_the_mean_of_their_class(network: ICAM, labels: torch.Tensor) -> None:
    attribute = torch.randn(4, *network.attribute_encoder.latent_shape)
    for _ in range(2000):
        network.update_class_attributes(attribute, labels)
    torch.testing.assert_close(network.class_attributes[1], attribute[2:].mean(0), atol=1e-4, rtol=1e-4)


def test_class_attributes_of_classes_that_a_batch_lacks_stay(make_network) -> None:
    network = make_network(num_classes=3)
    attribute, before = torch.randn(2, *network.attribute_encoder.latent_shape), network.class_attributes.clone()
    network.update_class_attributes(attribute, torch.tensor([2, 2]))
    assert torch.equal(network.class_attributes[:2], before[:2])
    torch.testing.assert_close(network.class_attributes[2], 0.99 * before[2] + 0.01 * attribute.mean(0))


@pytest.mark.slow
def test_the_network_can_be_scripted(network: ICAM, image: torch.Tensor) -> None:
    with eval_mode(network):
        torch.testing.assert_close(torch.jit.script(network)(image), network(image))


def test_several_classes_and_regression(make_network, image: torch.Tensor) -> None:
    network = make_network(num_classes=4, regression=True, generator=ResidualGenerator)
    mean = network.encode(image).mean
    assert network.classify(mean).shape == (4, 4)
    assert network.attribute_encoder.regress(mean).shape == (4,)
    assert network(image).shape == image.shape


def test_regression_must_be_asked_for(network: ICAM) -> None:
    with pytest.raises(ValueError, match="regression=True"):
        network.attribute_encoder.regress(torch.zeros(1, *network.attribute_encoder.latent_shape))


@pytest.mark.parametrize("size", [(40, 48), (32,), (32, 48, 32)])
def test_image_sizes_that_do_not_fit_are_refused(size: tuple) -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        AttributeEncoder(2, size)


def test_being_real_depends_on_the_class_only_where_it_was_told() -> None:
    label, classes = torch.zeros(2, 3), torch.tensor([2, 0])
    assert DomainLogits(torch.tensor([[4.0], [5.0]]), label).real_as(classes).tolist() == [4, 5]
    assert DomainLogits(torch.arange(6.0).view(2, 3), label).real_as(classes).tolist() == [2, 3]


@pytest.mark.parametrize("num_classes", [2, 3])
def test_discriminators_give_one_verdict_a_scan(spatial_dims: int, image: torch.Tensor, num_classes: int) -> None:
    verdict = DomainDiscriminator(spatial_dims, num_classes=num_classes, channels=(4, 8, 8, 8, 8, 8))(image)
    assert verdict.real.shape == (4, 1)
    assert verdict.label.shape == (4, num_classes)
    of_classes = DomainDiscriminator(spatial_dims, num_classes=num_classes, channels=(4, 8, 8, 8, 8, 8), conditional=True)(image)
    assert of_classes.real.shape == (4, num_classes)
    content = torch.randn(4, 16, *(size // 4 for size in image.shape[2:]))
    assert ContentDiscriminator(spatial_dims, 16, num_classes, channels=(8, 8))(content).shape == (4, num_classes)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_what_reads_the_attribute_is_made_last_so_that_it_changes_no_other_first_weights(spatial_dims):
    size = [32] * spatial_dims
    encoders = []
    for readouts in ({}, {"num_classes": 3, "regression": True}, {"classification": False}):
        torch.manual_seed(0)
        encoders.append(AttributeEncoder(spatial_dims, size, **readouts).state_dict())
    shared = [key for key in encoders[0] if not key.startswith("classifier")]
    for other in encoders[1:]:
        assert all(other[key].equal(encoders[0][key]) for key in shared)


def test_fewer_than_no_components_are_refused(make_network) -> None:
    with pytest.raises(ValueError, match="num_components must be 0 or more, got -1"):
        make_network(num_components=-1)
