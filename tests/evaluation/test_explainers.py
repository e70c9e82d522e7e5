from functools import partial

import pytest
import torch
from captum.attr import IntegratedGradients

from bundle.baselines import VAGAN, AttributeClassifier, GuidedBackprop, GuidedGradCAM, PostHoc
from bundle.evaluation import AttributionEvaluation, Evaluation, PostHocExplainer, TranslatingExplainer, VAGANExplainer
from bundle.evaluation.randomisation import shuffled_weights


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_maps_of_icam_are_those_of_its_evaluation_and_translations_are_scan_plus_map(
    spatial_dims, make_cohort, make_network, tmp_path
):
    cohort = make_cohort(spatial_dims)
    evaluation = Evaluation(make_network(spatial_dims), cohort.test, cohort.train, tmp_path, "tiny", num_samples=2)
    explainer = TranslatingExplainer(evaluation)
    maps = explainer.make_maps([1, 3], 0)
    expected = evaluation.comparison.make_maps([1, 3], 0, evaluation.encode().attribute)
    assert all(torch.allclose(maps[name], expected[name], atol=1e-5) for name in expected)
    made = explainer.translate([1, 3], 0)
    image = torch.stack([cohort.test[i]["image"] for i in (1, 3)])
    assert torch.allclose(made.translated - image, maps[explainer.translating], atol=1e-5)
    assert torch.allclose(
        made.translated - made.unchanged, maps["exemplar_reconstruction"], atol=1e-5
    )


@pytest.mark.parametrize("draws", ["prior", "bank"])
def test_attributes_are_encoded_and_drawn_with_the_weights_of_the_moment(draws, make_cohort, make_network, tmp_path):
    cohort = make_cohort(2)
    settings = {"num_samples": 2, "draws": draws, "mirror_axis": 0}
    evaluation = Evaluation(make_network(2), cohort.test, cohort.train, tmp_path, "tiny", **settings)
    explainer = TranslatingExplainer(evaluation)
    before = explainer.make_maps([1], 0)
    with shuffled_weights(explainer.networks):
        attribute = evaluation.encode().attribute
        shuffled = explainer.make_maps([1], 0)
        expected = evaluation.comparison.make_maps([1], 0, attribute)
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
    explainer = PostHocExplainer(AttributionEvaluation(classifier, methods, cohort.test, cohort.train, tmp_path, "tiny"))
    assert explainer.networks == [classifier]
    before = explainer.make_maps([1, 3], 0)
    with shuffled_weights(explainer.networks):
        shuffled = explainer.make_maps([1, 3], 0)
    assert all(not torch.allclose(before[name], shuffled[name]) for name in methods)
    assert explainer.explains(1, 0) and explainer.explains(0, 1) and explainer.translating is None
    with pytest.raises(NotImplementedError, match="do not translate"):
        explainer.translate([1], 0)


def test_vagan_translates_disease_to_control_by_its_map_and_has_no_way_back(make_cohort, tmp_path):
    network, cohort = VAGAN(torch.nn.Conv2d(1, 1, 3, padding=1)), make_cohort(2)
    evaluation = AttributionEvaluation(None, {"vagan": network}, cohort.test, cohort.train, tmp_path, "tiny", sources=[1])
    explainer = VAGANExplainer(evaluation, network)
    made = explainer.translate([1, 3], 0)
    image = torch.stack([cohort.test[i]["image"] for i in (1, 3)])
    assert torch.allclose(made.translated, image + explainer.make_maps([1, 3], 0)["vagan"])
    assert made.unchanged is None and made.returned is None and explainer.networks == [network]
    assert explainer.explains(1, 0) and not explainer.explains(0, 1)
