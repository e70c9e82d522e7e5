"""From a scan to its class and its maps."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from bundle.attribution import (
    EncodedScans,
    PriorSource,
    TestTimeAugmentation,
    describe_sampling,
    exemplar_maps,
    sampled_maps,
    value_maps,
)
from bundle.attribution.conformal import ConformalIntervals, calibrate
from bundle.inference import AgeRegression, ICAMInferer
from bundle.networks import ICAM
from bundle.structures import Attributes

Make = Callable[..., ICAM]


def infer(network: ICAM, image: torch.Tensor, num_samples: int = 2, seed: int = 0, **parts: object) -> dict[str, torch.Tensor]:
    """The answer of an inferer."""
    return ICAMInferer(PriorSource(network, num_samples, seed=seed), **parts)(image, network)


def test_answer_is_that_of_the_attribution(make_network: Make, image: torch.Tensor) -> None:
    network = make_network()
    answer = infer(network, image, 3, seed=5)
    with torch.inference_mode():
        probabilities = network.eval().classify(network.encode(image).mean).softmax(1)
    torch.testing.assert_close(answer["probabilities"], probabilities.clone())
    assert (answer["target"] == probabilities.argmin(1)).all()
    source = PriorSource(network, 3, seed=5)
    maps = sampled_maps(EncodedScans(network, image), answer["target"], {label: source.draw(label) for label in (0, 1)})
    for key, expected in (("fa_mean", maps.mean), ("fa_variance", maps.variance), ("translated", maps.translated)):
        assert answer[key].shape == image.shape
        torch.testing.assert_close(answer[key], expected.clone())


def test_a_network_without_a_classifier_is_refused(make_network: Make, image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="inference predicts classes, and this network has no classifier"):
        infer(make_network(classification=False), image)


def test_target_is_the_runner_up_of_several_classes(make_network: Make, image: torch.Tensor) -> None:
    answer = infer(make_network(num_classes=3), image)
    order = answer["probabilities"].argsort(1, descending=True)
    assert (answer["target"] == order[:, 1]).all()
    assert infer(make_network(num_classes=3), image, target=2)["target"].tolist() == [2] * 4


def test_batch_of_scans_equals_single_scans(make_network: Make, image: torch.Tensor) -> None:
    network = make_network()
    inferer = ICAMInferer(PriorSource(network, 3), exemplar=image[0])
    together = inferer(image, network)
    for index in range(len(image)):
        for key, value in inferer(image[index : index + 1], network).items():
            torch.testing.assert_close(value[0], together[key][index], atol=1e-5, rtol=1e-5)


def test_exemplar_gives_its_attribute(make_network: Make, image: torch.Tensor) -> None:
    network = make_network()
    answer = infer(network, image[:2], exemplar=image[3], reference="input")
    with torch.inference_mode():
        attribute = network.eval().encode(image[3:]).mean.clone()
    attributes = Attributes(attribute.expand(2, *attribute.shape[1:]))
    expected = exemplar_maps(EncodedScans(network, image[:2]), attributes, torch.zeros(2), "input").mean
    torch.testing.assert_close(answer["fa_exemplar"], expected.clone())


def test_a_target_value_in_years_gives_the_map_to_the_standardised_value(make_network: Make, image: torch.Tensor) -> None:
    network = make_network(regression=True).eval()
    answer = infer(network, image, regression=AgeRegression(70.0, 60.0, 5.0))
    expected = value_maps(EncodedScans(network, image), torch.full((4,), 2.0))
    torch.testing.assert_close(answer["fa_value"], expected.mean.clone())
    torch.testing.assert_close(answer["translated_value"], expected.translated.clone())
    with torch.inference_mode():
        values = [network.attribute_encoder.regress(network.encode(scan).mean) for scan in (image, expected.translated)]
    torch.testing.assert_close(answer["predicted_age"], (values[0] * 5 + 60).clone())
    torch.testing.assert_close(answer["translated_age"], (values[1] * 5 + 60).clone())


def test_without_a_target_value_a_network_with_regression_gives_the_age(make_network: Make, image: torch.Tensor) -> None:
    answer = infer(make_network(regression=True), image)
    assert answer["predicted_age"].shape == (4,) and "fa_value" not in answer
    assert "predicted_age" not in infer(make_network(), image)


def test_wrong_settings_are_refused(make_network: Make, image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="target must be a class, 0 to 1, or null, got -1"):
        infer(make_network(), image, target=-1)
    for number in (1, 0, -1, "2"):
        with pytest.raises(ValueError, match=f"num_samples must be a whole number of at least 2, got {number!r}"):
            infer(make_network(), image, number)
    with pytest.raises(ValueError, match="target_value 70 needs a network with regression, and this one has none"):
        infer(make_network(), image, regression=AgeRegression(70))


@pytest.mark.parametrize("value", [500, -10, "old", float("nan"), True])
def test_a_target_value_that_is_no_age_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"target_value must be an age, 0 to 120 years, .* got"):
        AgeRegression(value).check()  # type: ignore[arg-type]
    for age in (0, 120, 72.5, None):
        AgeRegression(age).check()


def test_views_are_averaged_and_views_that_there_are_not_are_refused_at_once(make_network: Make, image: torch.Tensor) -> None:
    network = make_network()
    answer = infer(network, image, target=0, augmentation=TestTimeAugmentation(0, 1))
    scans = EncodedScans(network, image, TestTimeAugmentation(0, 1))
    expected = sampled_maps(scans, torch.zeros(len(image), dtype=torch.long), {0: PriorSource(network, 2).draw(0)})
    torch.testing.assert_close(answer["fa_variance"], expected.variance.clone())
    with pytest.raises(ValueError, match="mirror_axis must be none or one of 0 to"):
        infer(network, image, augmentation=TestTimeAugmentation(3))


@pytest.mark.parametrize("augmentation", [TestTimeAugmentation(), TestTimeAugmentation(0, 1)])
def test_scans_are_encoded_once_a_view_for_all_maps(
    make_network: Make, image: torch.Tensor, augmentation: TestTimeAugmentation
) -> None:
    network, batch = make_network(regression=True), image[:3]
    source = PriorSource(network, 3)
    inferer = ICAMInferer(source, augmentation=augmentation, exemplar=image[3], regression=AgeRegression(70.0))
    encoded: dict[str, list[torch.Tensor]] = {"content_encoder": [], "attribute_encoder": []}
    for name, calls in encoded.items():
        getattr(network, name).register_forward_hook(lambda module, inputs, output, calls=calls: calls.append(inputs[0]))
    inferer(batch, network)
    views = [view.apply(batch) for view in augmentation.list_views(image.ndim - 2)]
    for calls in encoded.values():
        of_scans = [[view for view in views if call.shape == view.shape and torch.equal(call, view)] for call in calls]
        assert sum(map(len, of_scans)) == len(views)
    assert len(encoded["content_encoder"]) == len(views)
    others = 1 + 1 + (augmentation.mirror_axis is not None)  # the translation to an age; the reference scan, and mirrored
    assert len(encoded["attribute_encoder"]) == len(views) + others


def test_intervals_of_other_maps_are_refused(make_network: Make, image: torch.Tensor) -> None:
    network = make_network()
    zero = np.zeros(40)
    calibration = calibrate(zero, zero, np.linspace(-1, 1, 40), zero + 1, (0.5,), (1, 1))
    origin = describe_sampling(PriorSource(network, 3), TestTimeAugmentation(), {"pixdim": 2.0})

    def make(preprocessing: dict) -> ConformalIntervals:
        return ConformalIntervals({0: calibration, 1: calibration}, 0.5, origin, preprocessing)

    answer = infer(network, image, 3, intervals=make({"pixdim": 2.0}))
    assert (answer["fa_low"] < 0).any() and (answer["fa_low"] <= answer["fa_high"]).all()
    for settings, message in (
        ({"num_samples": 2}, "the calibration is of num_samples 3, and here it is 2"),
        ({"augmentation": TestTimeAugmentation(0)}, "the calibration is of mirror_axis None, and here it is 0"),
        ({"seed": 1}, "the calibration is of seed 0, and here it is 1"),
        ({"intervals": make({"pixdim": 1.0})}, "the calibration is of pixdim 2.0, and here it is 1.0"),
        ({"reference": "input"}, "reference must be reconstruction for maps with intervals, got input"),
    ):
        with pytest.raises(ValueError, match=message):
            infer(network, image, **({"num_samples": 3, "intervals": make({"pixdim": 2.0})} | settings))
    with torch.no_grad():
        network.class_attributes += 1
    with pytest.raises(ValueError, match="the calibration is of weights SHA-256"):
        infer(network, image, 3, intervals=make({"pixdim": 2.0}))


def test_draws_are_the_first_maps_and_walks_lead_from_the_reconstruction_to_class_and_age(
    make_network: Make, image: torch.Tensor
) -> None:
    network = make_network(regression=True)
    settings = {"shown_draws": 2, "steps": 3, "regression": AgeRegression(70.0, 60.0, 10.0)}
    inferer = ICAMInferer(PriorSource(network, 2), **settings)
    answer = inferer(image, network)
    assert {"fa_draws", "translated_steps", "translated_value_steps"} < set(inferer.list_outputs(network))
    torch.testing.assert_close(answer["fa_draws"].mean(1, keepdim=True), answer["fa_mean"])
    scans = EncodedScans(network, image)
    with torch.inference_mode():
        ends = [
            network.decode(scans.latents[0].content[[index]], network.class_attributes[[label]])[0, 0].clone()
            for index, label in enumerate(answer["target"].tolist())
        ]
    torch.testing.assert_close(answer["translated_steps"][:, -1], torch.stack(ends), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(answer["translated_value_steps"][:, [-1]], answer["translated_value"])
    for key in ("translated_steps", "translated_value_steps"):
        assert answer[key].shape == (len(image), 3, *image.shape[2:])
        torch.testing.assert_close(answer[key][:, [0]], scans.reconstruction[0].clone(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("key", "value"), [("steps", 1), ("steps", -1), ("shown_draws", 1.5)])
def test_numbers_of_draws_and_steps_that_are_none_are_refused(
    key: str, value: float, make_network: Make, image: torch.Tensor
) -> None:
    with pytest.raises(ValueError, match=f"{key} must be"):
        infer(make_network(), image, **{key: value})
