from functools import partial

import pytest
import torch
from captum.attr import IntegratedGradients

from bundle.baselines import VAGAN, AttributeClassifier, GuidedBackprop, GuidedGradCAM, PostHoc
from bundle.evaluation import VAGANExplainer
from bundle.evaluation.faithfulness.randomisation import shuffled_weights
from bundle.evaluation.names import NETWORK_METHODS
from tests.tiny_evaluation import build_explainer, build_post_hoc, build_split


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_maps_of_icam_are_those_of_its_evaluation_and_translations_are_scan_plus_map(spatial_dims, make_cohort, make_network):
    cohort = make_cohort(spatial_dims)
    explainer = build_explainer(make_network(spatial_dims), cohort, num_samples=2)
    maps = explainer.make_maps([1, 3], 0)
    expected = explainer.make_maps([1, 3], 0, explainer.encode().attribute)
    assert all(torch.allclose(maps[name], expected[name], atol=1e-5) for name in expected)
    made = explainer.translate([1, 3], 0)
    image = torch.stack([cohort.test[i]["image"] for i in (1, 3)])
    assert torch.allclose(made.translated - image, maps[explainer.translating], atol=1e-5)
    assert torch.allclose(made.translated - made.unchanged, maps["exemplar_reconstruction"], atol=1e-5)


@pytest.mark.parametrize("source", ["prior", "training"])
def test_attributes_are_encoded_and_drawn_with_the_weights_of_the_moment(source, make_cohort, make_network):
    network, cohort = make_network(2), make_cohort(2)
    settings = {"num_samples": 2, "attribute_source": source, "mirror_axis": 0}
    explainer = build_explainer(network, cohort, **settings)
    before = explainer.make_maps([1], 0)
    with shuffled_weights(explainer.networks):
        attribute = explainer.encode().attribute
        shuffled = explainer.make_maps([1], 0)
        expected = build_explainer(network, cohort, **settings).make_maps([1], 0, attribute)
    after = explainer.make_maps([1], 0)
    assert all(torch.allclose(shuffled[name], expected[name], atol=1e-5) for name in before)
    assert all(torch.equal(before[name], after[name]) and not torch.equal(before[name], shuffled[name]) for name in before)


def test_the_network_of_post_hoc_methods_is_the_classifier(make_cohort, make_network, tmp_path):
    classifier = AttributeClassifier(make_network(2))
    methods = {
        "gradients": PostHoc(IntegratedGradients, classifier, baselines=-1.0, n_steps=2),
        "guided": PostHoc(GuidedBackprop, classifier),
        "both": PostHoc(partial(GuidedGradCAM, layer="encoder.trunk"), classifier),
    }
    cohort = make_cohort(2)
    explainer = build_post_hoc(classifier, methods, cohort, tmp_path).explainer
    assert explainer.networks == [classifier]
    before = explainer.make_maps([1, 3], 0)
    with shuffled_weights(explainer.networks):
        shuffled = explainer.make_maps([1, 3], 0)
    assert all(not torch.allclose(before[name], shuffled[name]) for name in methods)
    assert explainer.explains(1, 0) and explainer.explains(0, 1) and explainer.translating is None
    with pytest.raises(NotImplementedError, match="does not translate"):
        explainer.translate([1], 0)


def test_vagan_translates_disease_to_control_by_its_map_and_has_no_way_back(make_cohort):
    network, cohort = VAGAN(torch.nn.Conv2d(1, 1, 3, padding=1)), make_cohort(2)
    explainer = VAGANExplainer(network, build_split(cohort))
    made = explainer.translate([1, 3], 0)
    image = torch.stack([cohort.test[i]["image"] for i in (1, 3)])
    assert torch.allclose(made.translated, image + explainer.make_maps([1, 3], 0)["vagan"])
    assert made.unchanged is None and made.returned is None and explainer.networks == [network]
    assert explainer.explains(1, 0) and not explainer.explains(0, 1)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_maps_against_input_and_reconstruction_differ_by_the_reconstruction_error(spatial_dims, make_cohort, make_network):
    network = make_network(spatial_dims).eval()
    cohort = make_cohort(spatial_dims)
    image = torch.stack([cohort.test[i]["image"] for i in (0, 2)])
    with torch.inference_mode():
        content, attribute, _ = network.encode(image)
        error = network.decode(content, attribute) - image
    maps = build_explainer(network, cohort, chunk_size=2).make_maps([0, 2], 1)
    assert tuple(maps) == NETWORK_METHODS
    for way in ("exemplar", "sampled"):
        torch.testing.assert_close(maps[f"{way}_input"] - maps[f"{way}_reconstruction"], error, atol=1e-5, rtol=0)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_mirrored_views_are_given_what_mirrored_scans_are_encoded_to(spatial_dims, make_cohort, make_network):
    network, cohort = make_network(spatial_dims), make_cohort(spatial_dims)

    def make_maps(axis):
        settings = {"num_samples": 2, "attribute_source": "training", "mirror_axis": axis}
        return build_explainer(network, cohort, **settings).make_maps([1, 3], 0)

    before, both = (make_maps(axis) for axis in (None, 0))
    for images in cohort.images.values():
        images["image"] = images["image"].flip(1)
    after = make_maps(None)
    for name, image in both.items():
        torch.testing.assert_close(image, (before[name] + after[name].flip(2)) / 2, atol=1e-5, rtol=1e-4)
