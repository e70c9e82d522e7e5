import numpy as np
import pandas as pd
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import nn

from bundle.baselines import VAGAN, AttributeClassifier, GuidedBackprop, PostHoc
from bundle.evaluation.names import COLUMNS
from bundle.evaluation.post_hoc import explained_class
from tests.tiny_evaluation import build_evaluation, build_post_hoc


class Truth:
    """A method that marks the lesioned pixels, by the intensity that lesions have in the tiny cohort."""

    networks = ()

    def attribute(self, image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        assert target.tolist() == [1] * len(image)  # the disease is explained in both directions
        return (image > -0.35).float() + 1e-3 * image


def evaluate(classifier: nn.Module, cohort, folder, **arguments) -> pd.DataFrame:
    gradients = PostHoc(IntegratedGradients, classifier, baselines=-1.0, n_steps=4)
    chosen = {"guided": PostHoc(GuidedBackprop, classifier), "gradients": gradients, "truth": Truth()}
    return build_post_hoc(classifier, chosen, cohort, folder, **arguments).run()


@pytest.mark.slow
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_post_hoc_rows_stand_beside_the_same_trivial_maps_and_accuracy_as_those_of_icam(
    spatial_dims, make_cohort, make_network, tmp_path
):
    network, cohort = make_network(spatial_dims), make_cohort(spatial_dims)
    post_hoc = evaluate(AttributeClassifier(network), cohort, tmp_path / "post_hoc")
    icam = build_evaluation(network, cohort, tmp_path / "icam").run()
    assert tuple(post_hoc.columns) == COLUMNS
    key = ["split", "protocol", "method", "direction", "metric"]
    shared = post_hoc.merge(icam, on=key, suffixes=("", "_icam"))
    assert {"image", "noise", "oracle", "classifier", "image_vs_change"} <= set(shared["method"])
    for column in COLUMNS[6:]:
        pd.testing.assert_series_equal(shared[column], shared[f"{column}_icam"], check_names=False)
    own = post_hoc[~post_hoc["method"].isin(icam["method"])]
    names = ("guided", "gradients", "truth")
    assert set(own["method"]) == {*names, *(f"{name}_vs_change" for name in names)}
    assert set(own["direction"]) == {"-", "+"} and set(own["protocol"]) == {"paper", "paired"}


@pytest.mark.slow
def test_a_map_of_the_lesions_scores_high_and_the_results_repeat(make_cohort, make_network, tmp_path):
    classifier = AttributeClassifier(make_network(2))
    first = evaluate(classifier, make_cohort(2), tmp_path / "a", batch_size=1)
    second = evaluate(classifier, make_cohort(2), tmp_path / "b", batch_size=3)
    pd.testing.assert_frame_equal(first, second, atol=1e-4)
    found = first[(first["method"] == "truth") & (first["direction"] == "-") & (first["protocol"] == "paper")]
    assert (found["mean"] > 0.9).all()
    names = {path.name for path in (tmp_path / "a" / "eval").iterdir()}
    assert names == {"metrics.csv", "scans.csv", "predictions.csv", "settings.json", "maps.npz"}
    with np.load(tmp_path / "a" / "eval" / "maps.npz") as kept:
        places = {name.rpartition("/")[0] for name in kept.files}
        assert all(f"{place}/{name}" in kept.files for place in places for name in ("scan", "truth", "guided"))
    # two scans of each split towards each class
    assert len(places) == 2 * 2 * first["split"].nunique()


def test_a_cohort_without_truths_has_its_classes_scored(make_cohort, make_network, tmp_path, capsys):
    cohort = make_cohort(2).drop("effect", "parcel_map", "mask", "brain_mask")
    table = evaluate(AttributeClassifier(make_network(2)), cohort, tmp_path)
    assert set(table["method"]) == {"classifier"}
    assert "Left out: no columns mask, effect or disease_map" in capsys.readouterr().out


def test_the_more_diseased_class_is_explained():
    assert [explained_class(*pair) for pair in [(1, 0), (0, 1), (2, 1), (0, 2)]] == [1, 1, 2, 2]


def test_an_unknown_headline_is_refused(make_cohort, make_network, tmp_path):
    with pytest.raises(ValueError, match="headline must be one of ncc_image, ncc_brain, got 'dice'"):
        evaluate(AttributeClassifier(make_network(2)), make_cohort(2), tmp_path, headline="dice")


def test_a_method_of_one_class_without_a_classifier_has_rows_of_its_direction_alone(make_cohort, tmp_path):
    methods = {"vagan": VAGAN(nn.Conv2d(1, 1, 3, padding=1))}
    cohort = make_cohort(2)
    table = build_post_hoc(None, methods, cohort, tmp_path).run()
    assert set(table["direction"]) == {"-"} and set(table["metric"]) == {"ncc_image", "ncc_brain", "auprc", "pointing"}
    assert {"vagan", "image", "oracle"} <= set(table["method"])
    assert not {"predicted", "probability_0"} & set(pd.read_csv(tmp_path / "eval" / "predictions.csv").columns)
