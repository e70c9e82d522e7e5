"""Maps: zero for identity, independent of the batch, unbiased in mean and variance."""

import pytest
import torch

from bundle.attribution import (
    EncodedScans,
    MixtureSource,
    PriorSource,
    exemplar_maps,
    interpolate,
    sampled_maps,
    single_maps,
    value_maps,
)
from bundle.networks import ICAM
from bundle.structures import Attributes, AttributionMaps


def draw_all(network: ICAM, num_samples: int, seed: int = 0) -> dict[int, Attributes]:
    """Attributes of each class."""
    source = PriorSource(network, num_samples, seed=seed)
    return {label: source.draw(label) for label in range(len(network.class_attributes))}


def explain(network: ICAM, image: torch.Tensor, target: torch.Tensor, num_samples: int, seed=0, **settings) -> AttributionMaps:
    """Sampled maps of scans."""
    return sampled_maps(EncodedScans(network, image), target, draw_all(network, num_samples, seed), **settings)


def test_map_is_zero_for_identity_translation(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    scans = EncodedScans(network, image)
    assert exemplar_maps(scans, Attributes(scans.attribute), labels).mean.abs().max() == 0


def test_references_differ_by_the_error_of_the_reconstruction(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    scans = EncodedScans(network, image)
    other = Attributes(torch.randn_like(scans.attribute))
    own, paper = (exemplar_maps(scans, other, labels, reference) for reference in ("reconstruction", "input"))
    latents = network.eval().encode(image)
    error = network.decode(latents.content, latents.mean) - image
    torch.testing.assert_close(paper.mean - own.mean, error, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(paper.mean, paper.translated - image)


@pytest.mark.parametrize("reference", ["reconstruction", "input"])
def test_mean_and_variance_equal_those_of_all_samples_at_once(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor, reference: str
) -> None:
    maps = explain(network, image, 1 - labels, 7, chunk_size=3, reference=reference)
    draws = draw_all(network.eval(), 7)
    content = network.encode(image).content
    for row, target in enumerate((1 - labels).tolist()):
        images = network.decode(content[row : row + 1].expand(7, *content.shape[1:]), draws[target].values)
        torch.testing.assert_close(maps.variance[row], images.var(0), atol=1e-6, rtol=1e-3)
        torch.testing.assert_close(maps.translated[row], images.mean(0), atol=1e-5, rtol=1e-4)


def test_maps_do_not_depend_on_batch_or_chunk_size(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    together = explain(network, image, labels, 6, chunk_size=4)
    for row in range(4):
        alone = explain(network, image[row : row + 1], labels[row : row + 1], 6, chunk_size=6)
        torch.testing.assert_close(together.mean[row], alone.mean[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(together.variance[row], alone.variance[0], atol=1e-5, rtol=0)


def test_maps_are_bit_identical_when_repeated_and_other_with_another_seed(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor
) -> None:
    first, second, other = (explain(network, image, labels, 4, seed) for seed in (1, 1, 2))
    assert torch.equal(first.mean, second.mean) and torch.equal(first.variance, second.variance)
    assert not torch.equal(first.mean, other.mean)


def test_the_mode_of_the_network_is_left_as_it_was(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    network.train()
    explain(network, image, labels, 2)
    assert network.training


def test_translation_to_a_value_decodes_the_nearest_attribute_with_that_value(make_network, image: torch.Tensor) -> None:
    network = make_network(regression=True).eval()
    wanted = torch.tensor([-2.0, 0.0, 1.0, 3.0])
    maps = value_maps(EncodedScans(network, image), wanted)
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
    scans = EncodedScans(make_network(regression=True), image)
    assert value_maps(scans, scans.values).mean.abs().max() == 0


def test_translation_to_a_value_does_not_depend_on_the_batch(make_network, image: torch.Tensor) -> None:
    network = make_network(regression=True)
    together = value_maps(EncodedScans(network, image), torch.arange(4.0))
    for row in range(4):
        alone = value_maps(EncodedScans(network, image[row : row + 1]), torch.tensor([float(row)]))
        torch.testing.assert_close(together.mean[row], alone.mean[0], atol=1e-5, rtol=0)


def test_translation_to_a_value_needs_a_regressor_that_tells_values_apart(make_network, image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="regression=True"):
        value_maps(EncodedScans(make_network(), image), torch.zeros(4))
    network = make_network(regression=True)
    torch.nn.init.zeros_(network.attribute_encoder.regressor.weight)
    with pytest.raises(ValueError, match="regressor is constant"):
        value_maps(EncodedScans(network, image), torch.zeros(4))


def test_interpolation_begins_and_ends_with_the_given_attributes(network: ICAM, image: torch.Tensor) -> None:
    start, end = torch.randn(2, 4, *network.attribute_encoder.latent_shape)
    strip = interpolate(network, image, start, end, num_steps=3)
    torch.testing.assert_close(strip[:, 0], network.eval().translate(image, start), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(strip[:, 2], network.translate(image, end), atol=1e-5, rtol=1e-4)


def test_wrong_arguments_are_refused(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        explain(network, image, labels, 1)
    with pytest.raises(ValueError, match="reconstruction, input"):
        explain(network, image, labels, 2, reference="nothing")
    with pytest.raises(ValueError, match="num_steps"):
        interpolate(network, image, labels, labels, num_steps=1)


@pytest.mark.parametrize("reference", ["reconstruction", "input"])
def test_single_maps_have_the_mean_and_variance_of_sampled_maps_with_the_same_attributes(
    network: ICAM, image: torch.Tensor, labels: torch.Tensor, reference: str
) -> None:
    scans, attributes = EncodedScans(network, image), draw_all(network, 5, seed=3)
    single = single_maps(scans, 1 - labels, attributes, chunk_size=2, reference=reference)
    sampled = sampled_maps(scans, 1 - labels, attributes, reference=reference)
    torch.testing.assert_close(single.mean(0), sampled.mean, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(single.var(0), sampled.variance, atol=1e-6, rtol=1e-3)


def test_the_attribute_moves_as_those_of_the_cohort_until_the_value_is_reached(make_network, image, monkeypatch) -> None:
    network, given = make_network(regression=True, num_components=3), []
    network.distributions.means.normal_()
    network.distributions.directions.normal_()
    network.distributions.weights[:] = torch.tensor([0.5, 0.3, 0.2])
    scans, wanted = EncodedScans(network, image), torch.tensor([0.3, -1.0, 2.0, 0.0])
    decode = network.decode
    monkeypatch.setattr(network, "decode", lambda *parts: given.append(parts[1]) or decode(*parts))
    value_maps(scans, wanted)
    with torch.inference_mode():
        torch.testing.assert_close(network.attribute_encoder.regress(given[-1]), wanted, atol=1e-4, rtol=1e-4)
        steps = (given[-1] - scans.attribute).flatten(1)
    draws = torch.cat([MixtureSource(network, 20000, threshold=1e-9).draw(label).values.flatten(1) for label in (0, 1)])
    expected = draws.T.cov() @ network.attribute_encoder.regressor.weight[0].detach()
    assert (torch.nn.functional.cosine_similarity(steps.clone(), expected[None]).abs() > 0.99).all()
