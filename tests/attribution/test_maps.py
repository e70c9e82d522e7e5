"""Maps: zero for identity, independent of the batch, unbiased in mean and variance."""

import pytest
import torch

from bundle.attribution import draw_attributes, exemplar_maps, interpolate, sampled_maps, single_maps, translate_to_value
from bundle.networks import ICAM


def test_map_is_zero_for_identity_translation(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    attribute = network.eval().encode(image).mean
    assert exemplar_maps(network, image, attribute, labels).mean.abs().max() == 0


def test_references_differ_by_the_error_of_the_reconstruction(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    latents = network.eval().encode(image)
    other = torch.randn_like(latents.mean)
    own = exemplar_maps(network, image, other, labels, "reconstruction")
    paper = exemplar_maps(network, image, other, labels, "input")
    error = network.decode(latents.content, latents.mean) - image
    torch.testing.assert_close(paper.mean - own.mean, error, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(paper.mean, paper.translated - image)


@pytest.mark.parametrize("reference", ["reconstruction", "input"])
def test_mean_and_variance_equal_those_of_all_samples_at_once(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor, reference: str
) -> None:
    maps = sampled_maps(network, image, 1 - labels, num_samples=7, chunk_size=3, reference=reference)
    draws = draw_attributes(network.eval(), [0, 1], 7)
    content = network.encode(image).content
    for row, target in enumerate((1 - labels).tolist()):
        images = network.decode(content[row : row + 1].expand(7, *content.shape[1:]), draws[target])
        torch.testing.assert_close(maps.variance[row], images.var(0), atol=1e-6, rtol=1e-3)
        torch.testing.assert_close(maps.translated[row], images.mean(0), atol=1e-5, rtol=1e-4)


def test_maps_do_not_depend_on_batch_or_chunk_size(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    together = sampled_maps(network, image, labels, num_samples=6, chunk_size=4)
    for row in range(4):
        alone = sampled_maps(network, image[row : row + 1], labels[row : row + 1], num_samples=6, chunk_size=6)
        torch.testing.assert_close(together.mean[row], alone.mean[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(together.variance[row], alone.variance[0], atol=1e-5, rtol=0)


def test_maps_are_bit_identical_when_repeated_and_other_with_another_seed(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor
) -> None:
    first, second, other = (sampled_maps(network, image, labels, 4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.mean, second.mean) and torch.equal(first.variance, second.variance)
    assert not torch.equal(first.mean, other.mean)


def test_drawn_attributes_have_the_asked_class_in_a_network_of_several(make_network) -> None:
    network = make_network(num_classes=3)
    for label, draws in draw_attributes(network, [0, 1, 2], 20).items():
        assert (network.classify(draws).argmax(1) == label).all()


def test_the_mode_of_the_network_is_left_as_it_was(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    network.train()
    sampled_maps(network, image, labels, 2)
    assert network.training


def test_translation_to_a_value_decodes_the_nearest_attribute_with_that_value(make_network, image: torch.Tensor) -> None:
    network = make_network(regression=True).eval()
    wanted = torch.tensor([-2.0, 0.0, 1.0, 3.0])
    maps = translate_to_value(network, image, wanted)
    latents = network.encode(image)
    weight = network.attribute_encoder.regressor.weight[0]
    constraint = torch.cat([weight[None], -weight[None]])  # the solution of least squares that changes the attribute least
    missing = wanted - network.attribute_encoder.regress(latents.mean)
    least = torch.linalg.pinv(constraint.double()) @ torch.stack([missing, -missing]).double()  # (F, B)
    attribute = latents.mean + least.T.float().view_as(latents.mean)
    torch.testing.assert_close(network.attribute_encoder.regress(attribute), wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(maps.translated, network.decode(latents.content, attribute), atol=1e-4, rtol=0)
    torch.testing.assert_close(maps.mean, maps.translated - network.decode(latents.content, latents.mean), atol=1e-5, rtol=0)
    assert torch.equal(maps.target, wanted) and not maps.variance.any()


def test_translation_to_the_own_value_changes_nothing(make_network, image: torch.Tensor) -> None:
    network = make_network(regression=True).eval()
    own = network.attribute_encoder.regress(network.encode(image).mean)
    assert translate_to_value(network, image, own).mean.abs().max() == 0


def test_translation_to_a_value_does_not_depend_on_the_batch(make_network, image: torch.Tensor) -> None:
    network = make_network(regression=True)
    together = translate_to_value(network, image, torch.arange(4.0))
    for row in range(4):
        alone = translate_to_value(network, image[row : row + 1], torch.tensor([float(row)]))
        torch.testing.assert_close(together.mean[row], alone.mean[0], atol=1e-5, rtol=0)


def test_translation_to_a_value_needs_a_regressor_that_tells_values_apart(make_network, image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="regression=True"):
        translate_to_value(make_network(), image, torch.zeros(4))
    network = make_network(regression=True)
    torch.nn.init.zeros_(network.attribute_encoder.regressor.weight)
    with pytest.raises(ValueError, match="regressor is constant"):
        translate_to_value(network, image, torch.zeros(4))


def test_interpolation_begins_and_ends_with_the_given_attributes(network: ICAM, image: torch.Tensor) -> None:
    start, end = torch.randn(2, 4, *network.attribute_encoder.latent_shape)
    strip = interpolate(network, image, start, end, num_steps=3)
    torch.testing.assert_close(strip[:, 0], network.eval().translate(image, start), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(strip[:, 2], network.translate(image, end), atol=1e-5, rtol=1e-4)


def test_wrong_arguments_are_refused(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        sampled_maps(network, image, labels, num_samples=1)
    with pytest.raises(ValueError, match="reconstruction, input"):
        sampled_maps(network, image, labels, reference="nothing")
    with pytest.raises(ValueError, match="num_steps"):
        interpolate(network, image, labels, labels, num_steps=1)


@pytest.mark.parametrize("reference", ["reconstruction", "input"])
def test_single_maps_have_the_mean_and_variance_of_sampled_maps_with_the_same_attributes(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor, reference: str
) -> None:
    attributes = draw_attributes(network.eval(), [0, 1], 5, seed=3)
    single = single_maps(network, image, 1 - labels, attributes, chunk_size=2, reference=reference)
    sampled = sampled_maps(network, image, 1 - labels, reference=reference, attributes=attributes)
    torch.testing.assert_close(single.mean(0), sampled.mean, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(single.var(0), sampled.variance, atol=1e-6, rtol=1e-3)
    drawn = sampled_maps(network, image, 1 - labels, 5, seed=3, reference=reference)
    assert torch.equal(drawn.mean, sampled.mean)
