"""Attributes of a class: of the right class, kept, and drawn anew when the weights have changed."""

import pytest
import torch
from monai.data import Dataset

from bundle.attribution import AttributeSource, MixtureSource, PriorSource, TestTimeAugmentation, TrainingSource, choose_source
from bundle.networks import ICAM


@pytest.fixture
def dataset(image: torch.Tensor, labels: torch.Tensor) -> Dataset:
    """Four training scans, two of each class."""
    return Dataset([{"image": scan, "label": label} for scan, label in zip(image, labels.tolist(), strict=True)])


def test_draws_from_the_prior_have_their_class_in_a_network_of_several(make_network) -> None:
    network = make_network(num_classes=3)
    source = PriorSource(network, 20, threshold=0.6)
    for label in range(3):
        probabilities = network.classify(source.draw(label).values).softmax(1)
        others = [probabilities[:, other] for other in range(3) if other != label]
        assert all((probabilities[:, label] / (probabilities[:, label] + other) > 0.6).all() for other in others)


def test_draws_from_training_are_what_scans_of_the_class_are_encoded_to(
    network: ICAM, dataset: Dataset, image: torch.Tensor
) -> None:
    drawn = TrainingSource(network, dataset, num_samples=3, augmentation=TestTimeAugmentation(mirror_axis=0)).draw(1)
    for values, scans in ((drawn.values, image[2:]), (drawn.mirrored, image[2:].flip([2]))):
        means = network.eval().encode(scans).mean
        differences = (values[:, None] - means[None]).flatten(2).abs().amax(2)
        assert len(values) == 3 and (differences.amin(1) < 1e-5).all() and (differences.amin(0) < 1e-5).all()
    assert TrainingSource(network, dataset, num_samples=2).draw(0).mirrored is None


def test_a_class_without_training_scans_is_refused(network: ICAM, dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="no scan of class 2"):
        TrainingSource(network, dataset).draw(2)


@pytest.mark.parametrize("make", [PriorSource, TrainingSource])
def test_draws_are_kept_until_a_fresh_source_draws_with_the_weights_of_the_moment(
    make: type[AttributeSource], network: ICAM, dataset: Dataset
) -> None:
    source = PriorSource(network, 4) if make is PriorSource else TrainingSource(network, dataset, 4)
    first = source.draw(0)
    for weight in network.attribute_encoder.parameters():
        torch.nn.init.normal_(weight)
    assert source.draw(0) is first
    assert not torch.equal(source.fresh().draw(0).values, first.values)


def test_draws_of_a_mixture_are_those_of_the_prior_until_it_is_fitted(make_network) -> None:
    network = make_network(num_components=4)
    assert torch.allclose(
        MixtureSource(network, 200).draw(1).values.std(), PriorSource(network, 200).draw(1).values.std(), atol=0.1
    )
    network.distributions.means[1, 0] = 40.0 * (network.attribute_encoder.classifier.weight[1])
    assert MixtureSource(network, 20).draw(1).values.norm() > 2 * PriorSource(network, 20).draw(1).values.norm()


def test_a_source_that_the_network_does_not_have_is_refused(network: ICAM) -> None:
    sources = {"mixture": MixtureSource(network), "prior": PriorSource(network)}
    assert choose_source(sources, "prior") is sources["prior"]
    with pytest.raises(ValueError, match="no distributions of its classes"):
        choose_source(sources, "mixture")
    with pytest.raises(ValueError, match="one of mixture, prior, got 'bank'"):
        choose_source(sources, "bank")
