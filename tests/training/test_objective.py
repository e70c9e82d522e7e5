"""The objective: its names, weights, economy and gradients."""

import pytest
import torch

from bundle.networks import ICAM, ContentDiscriminator, DeformingGenerator, Discriminators, DomainDiscriminator
from bundle.training.mean_change import MeanChange
from bundle.training.objective import AdversarialObjective, DiscriminatorObjective, GeneratorObjective, Objective
from bundle.training.phases import Phase
from bundle.training.translation import Judgement, Shown, Translation, pair_classes


@pytest.fixture
def discriminators(request: pytest.FixtureRequest, spatial_dims: int) -> Discriminators:
    judged = "network" in request.fixturenames  # other tests make a network whose content has 16 channels
    channels = request.getfixturevalue("network").content_encoder.out_channels if judged else 16
    content = ContentDiscriminator(spatial_dims, channels, channels=(4, 4))
    return Discriminators(content, DomainDiscriminator(spatial_dims, channels=(4, 4, 4)))


@pytest.fixture
def translation(network: ICAM, image: torch.Tensor, labels: torch.Tensor) -> Translation:
    return translate(network, image, labels)


@pytest.fixture
def judgement(translation: Translation, discriminators: Discriminators) -> Judgement:
    t = translation
    shown = Shown(t.posterior[0], t.target, t.content, t.translated, t.attribute_classes)
    return Judgement(discriminators, t.image, t.labels, shown)


def translate(network: ICAM, image: torch.Tensor, labels: torch.Tensor, *args, **kwargs) -> Translation:
    """Translate with drawn partners."""
    means = MeanChange(int(labels.max()) + 1, image.shape[2:])
    return Translation(network, image, labels, pair_classes(labels), *args, mean_change=means, **kwargs)


ALL = {name: 1.0 for name in GeneratorObjective.terms if name not in ("regression", "shift_roughness")}


def test_total_is_the_weighted_sum_of_all_terms(translation: Translation) -> None:
    weights = {name: float(index + 1) for index, name in enumerate(ALL)}
    values = GeneratorObjective(weights)(translation)
    expected = sum(weights[name] * values[name] for name in weights)
    torch.testing.assert_close(values["total"], expected)
    assert all(value.ndim == 0 and value.isfinite() for value in values.values())


@pytest.mark.parametrize("name", ALL)
def test_every_term_moves_encoders_or_generator(translation: Translation, name: str) -> None:
    GeneratorObjective({name: 1.0})(translation)["total"].backward()
    assert any(weight.grad is not None and weight.grad.any() for weight in translation.network.parameters())


@pytest.mark.parametrize("name", AdversarialObjective.terms)
def test_every_adversarial_term_moves_encoders_or_generator(translation: Translation, judgement: Judgement, name: str) -> None:
    AdversarialObjective({name: 1.0})(judgement)["total"].backward()
    assert any(weight.grad is not None and weight.grad.any() for weight in translation.network.parameters())


@pytest.mark.parametrize("name", DiscriminatorObjective.terms)
def test_every_discriminator_term_moves_a_discriminator(judgement: Judgement, name: str) -> None:
    DiscriminatorObjective({name: 1.0})(judgement)["total"].backward()
    assert any(weight.grad is not None and weight.grad.any() for weight in judgement.discriminators.parameters())


def test_one_forward_of_each_network_serves_all_terms(translation: Translation) -> None:
    network, calls = translation.network, {}
    parts = {"content": network.content_encoder, "attribute": network.attribute_encoder, "generator": network.generator}
    for name, part in parts.items():
        calls[name] = 0
        part.register_forward_hook(lambda *_, name=name: calls.__setitem__(name, calls[name] + 1))
    _ = translation.translated
    GeneratorObjective(ALL)(translation)
    drawn = 1 if isinstance(network.generator, DeformingGenerator) else 2  # its translations are shifts first, then images
    # scans and translations; these, and translations without a way back; scans with their own and other attributes, and cycle
    assert calls == {"content": 2, "attribute": 3, "generator": drawn}


def test_a_reconstruction_is_the_same_by_itself_and_beside_translations(make_network, image, labels) -> None:
    network, found = make_network().eval(), []
    for first in ("reconstruction", "translated"):
        torch.manual_seed(1)
        translation = translate(network, image, labels)
        _ = translation.content, translation.target_attribute, getattr(translation, first)
        found.append((translation.reconstruction, translation.translated))
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-4)


def test_a_term_of_weight_zero_costs_nothing(translation: Translation) -> None:
    translation.network.generator.register_forward_hook(lambda *_: pytest.fail("nothing needs the generator"))
    values = GeneratorObjective({"attribute_class": 1.0, "cycle_l1": 0.0, "map": 0.0})(translation)
    assert set(values) == {"attribute_class", "total"}


def test_the_class_loss_can_reach_zero(
    discriminators: Discriminators, make_network, image: torch.Tensor, labels: torch.Tensor
) -> None:
    translation = translate(make_network(), image, labels)
    translation.__dict__["logits"] = torch.tensor([[40.0, -40.0], [40.0, -40.0], [-40.0, 40.0], [-40.0, 40.0]])
    assert GeneratorObjective({"attribute_class": 1.0})(translation)["total"] < 1e-6


@pytest.mark.parametrize("objective", [GeneratorObjective, AdversarialObjective, DiscriminatorObjective])
def test_unknown_and_negative_weights_are_refused(objective: type[Objective]) -> None:
    with pytest.raises(ValueError, match="no term kll; its terms are"):
        objective({"kll": 1.0})
    with pytest.raises(ValueError, match="must not be negative"):
        objective({objective.terms[0]: -1.0})


def test_regression_needs_values_and_is_their_squared_error(
    make_network, discriminators: Discriminators, image: torch.Tensor, labels: torch.Tensor
) -> None:
    network, objective = make_network(regression=True), GeneratorObjective({"regression": 1.0})
    values = torch.randn(4)
    translation = translate(network, image, labels, values)
    expected = (network.attribute_encoder.regress(translation.attribute) - values).square().mean()
    torch.testing.assert_close(objective(translation)["total"], expected)
    with pytest.raises(ValueError, match="needs a value"):
        objective(translate(network, image, labels))


def test_what_is_read_back_is_compared_with_the_target_attribute(
    make_network, discriminators: Discriminators, image: torch.Tensor, labels: torch.Tensor
) -> None:
    network, objective = make_network(regression=True), GeneratorObjective({"latent_readout": 1.0})
    translation = translate(network, image, labels, torch.zeros(4))
    encoder, both = network.attribute_encoder, (translation.reencoded[0], translation.target_attribute)
    logits, values = ([read(attribute) for attribute in both] for read in (encoder.classify, encoder.regress))
    expected = sum((found - wanted).abs().mean() for found, wanted in (logits, values))
    torch.testing.assert_close(objective(translation)["total"], expected)
    translation.__dict__["reencoded"] = (translation.target_attribute, translation.target_attribute)
    assert objective(translation)["total"] == 0


def test_roughness_is_that_of_the_shift_of_the_translations(
    make_network, discriminators: Discriminators, image: torch.Tensor, labels: torch.Tensor
) -> None:
    objective = GeneratorObjective({"shift_roughness": 1.0})
    translation = translate(make_network(generator=DeformingGenerator), image, labels)
    expected = sum(translation.shift.diff(dim=axis).square().mean() for axis in range(2, image.ndim))
    torch.testing.assert_close(objective(translation)["total"], expected)
    moved = translation.network.decode(translation.content, translation.target_attribute)
    torch.testing.assert_close(translation.translated, moved)
    with pytest.raises(ValueError, match="ResidualGenerator moves no tissue: leave out the loss term shift_roughness"):
        objective(translate(make_network(), image, labels))


@pytest.mark.parametrize("num_classes", [2, 3, 4])
def test_partners_are_a_permutation_to_other_classes(num_classes: int) -> None:
    labels = torch.arange(num_classes).repeat_interleave(3)
    for shift in (None, 1, num_classes - 1):
        partner = pair_classes(labels, shift)
        assert sorted(partner.tolist()) == list(range(len(labels)))
        assert (labels[partner] != labels).all()


def test_the_cycle_returns_the_attribute_to_its_owner(make_network, discriminators: Discriminators, image: torch.Tensor) -> None:
    network = make_network(num_classes=4)
    translation = translate(network, image, torch.arange(4))
    returned = translation.partner[translation.partner.argsort()]
    assert torch.equal(returned, torch.arange(4))
    assert translation.cycle.shape == image.shape


def test_sampled_attributes_have_the_class_of_the_target(translation: Translation) -> None:
    assert torch.equal(translation.network.classify(translation.sampled_attribute).argmax(1), translation.target)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 1]])
def test_unbalanced_or_unsorted_batches_are_refused(labels: list) -> None:
    with pytest.raises(ValueError, match="same number of scans of each class"):
        pair_classes(torch.tensor(labels))


def test_recomputed_activations_give_the_same_gradients(
    make_network, discriminators: Discriminators, image: torch.Tensor, labels: torch.Tensor
) -> None:
    network, gradients = make_network(), []
    objective = GeneratorObjective(ALL)
    for recompute in (False, True):
        torch.manual_seed(1)
        network.zero_grad()
        objective(translate(network, image, labels, activation_checkpointing=recompute))["total"].backward()
        gradients.append([weight.grad.clone() for weight in network.parameters() if weight.grad is not None])
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-3)


def test_being_real_is_binary_cross_entropy(judgement: Judgement) -> None:
    logits = judgement.translated_logits.real_as(judgement.target)
    reference = torch.nn.functional.binary_cross_entropy_with_logits
    expected = reference(logits, torch.ones_like(logits))
    torch.testing.assert_close(AdversarialObjective({"domain_adversarial": 1.0})(judgement)["total"], expected)
    real = judgement.image_logits.real_as(judgement.labels)
    expected = 0.5 * (reference(real, torch.ones_like(real)) + reference(logits, torch.zeros_like(logits)))
    torch.testing.assert_close(DiscriminatorObjective({"domain_adversarial": 1.0})(judgement)["total"], expected)


@pytest.mark.parametrize(
    ("weights", "discriminator_weights", "message"),
    [
        ({"kll": 1.0}, {}, "GeneratorObjective has no term kll; its terms are content_adversarial, "),
        ({}, {"kl": 1.0}, "DiscriminatorObjective has no term kl"),
        ({"kl": -1.0}, {}, "weights must not be negative, got kl: -1.0"),
    ],
)
def test_a_phase_with_wrong_weights_is_refused_when_it_is_made(weights, discriminator_weights, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Phase(1, 4, weights, discriminator_weights)
