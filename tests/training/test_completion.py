"""What a network is given after its training, against SciPy and closed forms."""

import numpy as np
import pytest
import torch
from monai.data import Dataset
from scipy.special import log_softmax

from bundle.attribution import EncodedScans
from bundle.attribution.typicality import find_typicality
from bundle.checkpoints import load_network, read_about, save_network
from bundle.networks import ICAM
from bundle.training import Completion
from bundle.training.completion import calibrate, choose_scans, fit_temperature


def make_scans(image_size: tuple[int, ...], count: int, seed: int = 0) -> Dataset:
    generator = torch.Generator().manual_seed(seed)
    scans = torch.rand(count, 1, *image_size, generator=generator) * 2 - 1
    return Dataset([{"image": scan, "label": index % 2} for index, scan in enumerate(scans)])


@pytest.fixture
def network(make_network) -> ICAM:
    return make_network(num_components=2).eval()


def test_a_completed_network_has_distributions_typical_scores_and_the_same_classes(
    network: ICAM, image_size: tuple[int, ...], tmp_path
) -> None:
    train, validation, path = make_scans(image_size, 40), make_scans(image_size, 24, seed=1), tmp_path / "model.pt"
    images = torch.stack([item["image"] for item in validation])
    before = network.classify(network.encode(images).mean).argmax(1)
    save_network(path, network, {"cohort": "tiny"})
    Completion(train, validation, batch_size=7).run(network, path, path)
    completed = load_network(network, path)
    attributes = network.encode(torch.stack([item["image"] for item in train])).mean.flatten(1)
    for label in (0, 1):
        mixture = completed.distributions.list_mixtures()[label]
        mean = (mixture.weights[:, None] * mixture.means).sum(0).float()
        torch.testing.assert_close(mean, attributes[label::2].mean(0), atol=1e-4, rtol=1e-3)
    assert torch.equal(completed.classify(completed.encode(images).mean).argmax(1), before)
    p, _ = find_typicality(EncodedScans(completed, images))
    assert completed.typicality.count == 24 and (p > 0).all() and 0.2 < p.mean() < 0.8
    assert find_typicality(EncodedScans(completed, -torch.ones_like(images[:1])))[0] < 0.1
    assert read_about(path)["cohort"] == "tiny" and read_about(path)["temperature"] > 0


def test_a_network_is_completed_once(network: ICAM, image_size: tuple[int, ...], tmp_path) -> None:
    completion, path = Completion(make_scans(image_size, 12), make_scans(image_size, 8, seed=1)), tmp_path / "model.pt"
    save_network(path, network)
    completion.run(network, path, path)
    first = path.read_bytes()
    completion.run(load_network(network, path), path, path)
    assert path.read_bytes() == first
    completion.run(load_network(network, path), path, tmp_path / "copy.pt")
    assert read_about(tmp_path / "copy.pt") == read_about(path)


def test_a_network_whose_probabilities_are_calibrated_gets_the_rest(network: ICAM, image_size: tuple[int, ...], tmp_path) -> None:
    completion, path = Completion(make_scans(image_size, 12), make_scans(image_size, 8, seed=1)), tmp_path / "model.pt"
    save_network(path, network, {"temperature": 1.0})
    before = network.attribute_encoder.classifier.weight.clone()
    completion.run(network, path, path)
    assert torch.equal(network.attribute_encoder.classifier.weight, before) and network.typicality.count == 8
    assert all(np.isfinite(mixture.means).all() and mixture.means.any() for mixture in network.distributions.list_mixtures())


def test_the_temperature_is_the_one_that_probabilities_were_made_with() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(20000, 3)) * 2
    labels = np.array([generator.choice(3, p=row) for row in np.exp(log_softmax(logits, axis=1))])
    assert fit_temperature(torch.from_numpy(logits * 2.5), torch.from_numpy(labels)) == pytest.approx(2.5, rel=0.03)


def test_without_scans_the_temperature_is_one_and_scans_without_an_error_lower_it_little() -> None:
    labels = torch.arange(2).repeat(20)
    logits = torch.nn.functional.one_hot(labels, 2).double() * 8
    assert fit_temperature(logits[:0], labels[:0]) == pytest.approx(1, abs=1e-3)
    assert 0.9 < fit_temperature(logits, labels) < 1


def test_calibration_divides_logits(network: ICAM, image: torch.Tensor) -> None:
    attribute = network.encode(image).mean
    expected = network.classify(attribute) / 3
    calibrate(network, 3.0)
    torch.testing.assert_close(network.classify(attribute), expected)


def test_as_many_scans_of_each_class_are_chosen_as_there_are() -> None:
    dataset = Dataset([{"label": label} for label in [0] * 50 + [1] * 7])
    chosen, labels = choose_scans(dataset, 20)
    assert torch.bincount(labels).tolist() == [13, 7] and chosen == sorted(set(chosen))
    assert choose_scans(dataset, 20)[0] == chosen and choose_scans(dataset, 20, seed=1)[0] != chosen
    assert len(choose_scans(dataset, 100)[0]) == 57


def test_the_file_has_how_many_validation_scans_are_right(network: ICAM, image_size: tuple[int, ...], tmp_path) -> None:
    validation, path = make_scans(image_size, 9, seed=1), tmp_path / "model.pt"
    save_network(path, network)
    completion = Completion(make_scans(image_size, 12), validation)
    completion.run(network, path, path)
    images, labels = torch.stack([item["image"] for item in validation]), torch.tensor([row["label"] for row in validation.data])
    with torch.inference_mode():
        right = int((network.eval().classify(network.encode(images).mean).argmax(1) == labels).sum())
    assert read_about(path)["validation"] == {"right": right, "scans": 9, "largest": 5}
