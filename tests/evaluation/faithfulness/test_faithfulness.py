import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import nn

from bundle.baselines import AttributeClassifier, PostHoc
from bundle.evaluation import Bootstrap
from bundle.evaluation.faithfulness import (
    CounterfactualAxioms,
    Deletion,
    Faithfulness,
    IndependentClassifier,
    Randomisation,
)
from bundle.evaluation.names import COLUMNS
from bundle.evaluation.reporting import Results
from tests.evaluation.known_classifier import KnownExplainer, make_classifier
from tests.tiny_evaluation import build_explainer, build_post_hoc

SHARES = (0.01, 0.1, 1.0)


def build(
    explainer,
    folder: Path,
    classifier: IndependentClassifier | None = None,
    deleted: int | None = None,
    shuffled: int | None = None,
) -> Faithfulness:
    classifier = classifier or make_classifier()
    parts = Deletion(classifier, SHARES, num_scans=deleted), Randomisation(num_scans=shuffled), CounterfactualAxioms(classifier)
    return Faithfulness(Results(folder / "faithfulness"), Bootstrap(num_resamples=50), explainer, classifier, *parts)


def test_all_parts_are_in_the_tables_and_a_map_that_learned_nothing_is_marked(make_cohort, tmp_path, capsys):
    network = nn.Conv2d(1, 1, 3, padding=1)
    table = build(KnownExplainer(make_cohort(2), network), tmp_path).run()
    assert tuple(table.columns) == (*COLUMNS, "insensitive")
    assert set(table["metric"]) == {
        "balanced_accuracy", "deletion", "insertion", "randomisation_ncc", "effectiveness", "change_outside",
        "composition_error", "reversibility_error", "ssim", "kid",
    }  # fmt: skip
    assert not table.duplicated(["split", "protocol", "method", "direction", "metric"]).any()
    assert (table[table["metric"] == "balanced_accuracy"]["mean"] == 1).all()
    marks = table[table["metric"] == "randomisation_ncc"].groupby("method")["insensitive"].first()
    assert marks["right"] == 1 and table[table["metric"] != "randomisation_ncc"]["insensitive"].isna().all()
    assert "Insensitive to the weights (NCC above 0.5): right, wrong" in capsys.readouterr().out
    written = pd.read_csv(tmp_path / "faithfulness" / "metrics.csv", keep_default_na=False)
    scans = pd.read_csv(tmp_path / "faithfulness" / "scans.csv")
    assert len(written) == len(table)
    assert not scans.duplicated(["scan", "direction", "protocol", "method"]).any()
    assert set(scans["protocol"]) == {"deletion", "randomisation", "counterfactual"}
    assert json.loads((tmp_path / "faithfulness" / "settings.json").read_text())["shares"] == list(SHARES)


def make_explainer(kind: str, cohort, network, folder, batch_size: int):
    if kind == "icam":
        return build_explainer(network, cohort, num_samples=2, batch_size=batch_size)
    classifier = AttributeClassifier(network)
    methods = {"gradients": PostHoc(IntegratedGradients, classifier, baselines=-1.0, n_steps=2)}
    return build_post_hoc(classifier, methods, cohort, folder).explainer


@pytest.mark.parametrize("kind", ["icam", "post_hoc"])
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_results_do_not_depend_on_the_batch_size(spatial_dims, kind, make_cohort, make_network, tmp_path):
    tables = []
    for size in (1, 3):
        explainer = make_explainer(kind, make_cohort(spatial_dims), make_network(spatial_dims), tmp_path / str(size), size)
        tables.append(build(explainer, tmp_path / str(size), make_classifier(size), deleted=2, shuffled=1).run())
    pd.testing.assert_frame_equal(*tables, atol=1e-3, rtol=1e-3)
    directions = tables[0][tables[0]["protocol"] == "counterfactual"]["direction"]
    assert set(directions) == ({"+", "-"} if kind == "icam" else set())


def test_a_classifier_with_the_weights_of_the_explained_network_is_refused(make_cohort, tmp_path):
    classifier = make_classifier()
    with pytest.raises(ValueError, match="classifier_checkpoint holds the weights of the explained classifier"):
        build(KnownExplainer(make_cohort(2), classifier.network), tmp_path, classifier)


def test_an_impossible_setting_raises():
    with pytest.raises(ValueError, match="num_shuffles must be at least 1, got 0"):
        Randomisation(num_shuffles=0)
    with pytest.raises(ValueError, match=r"blur must be above 0 mm, got 0\.0"):
        Deletion(make_classifier(), SHARES, blur=0.0)


def test_the_tables_are_the_same_bytes_when_it_is_run_again(make_cohort, tmp_path):
    torch.manual_seed(0)
    network = nn.Conv2d(1, 1, 3, padding=1)
    for name in ("a", "b"):
        build(KnownExplainer(make_cohort(2), network), tmp_path / name).run()
    for file in ("metrics.csv", "scans.csv", "settings.json"):
        first, second = ((tmp_path / name / "faithfulness" / file).read_bytes() for name in ("a", "b"))
        assert first == second
