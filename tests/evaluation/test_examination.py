import json

import pandas as pd
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import nn

from bundle.baselines import AttributeClassifier, PostHoc
from bundle.evaluation import AttributionEvaluation, Evaluation, Examination, Judge, PostHocExplainer, TranslatingExplainer
from bundle.evaluation.scoring import COLUMNS
from tests.evaluation.known_judge import KnownExplainer, make_judge

SHARES = (0.01, 0.1, 1.0)


def examine(explainer, judge: Judge | None = None, **arguments) -> pd.DataFrame:
    settings = {"shares": SHARES, "num_resamples": 50} | arguments
    return Examination(explainer, judge or make_judge(), **settings).run()


def test_all_parts_are_in_the_tables_and_a_map_that_learned_nothing_is_marked(make_cohort, tmp_path, capsys):
    network = nn.Conv2d(1, 1, 3, padding=1)
    table = examine(KnownExplainer(make_cohort(2), tmp_path, network))
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
    written = pd.read_csv(tmp_path / "examination" / "metrics.csv", keep_default_na=False)
    scans = pd.read_csv(tmp_path / "examination" / "scans.csv")
    assert len(written) == len(table)
    assert not scans.duplicated(["scan", "direction", "protocol", "method"]).any()
    assert set(scans["protocol"]) == {"removal", "randomisation", "counterfactual"}
    assert json.loads((tmp_path / "examination" / "settings.json").read_text())["shares"] == list(SHARES)


def make_explainer(kind: str, cohort, network, folder, batch_size: int):
    if kind == "icam":
        options = {"num_samples": 2, "batch_size": batch_size}
        return TranslatingExplainer(Evaluation(network, cohort.test, cohort.train, folder, "tiny", **options))
    classifier = AttributeClassifier(network)
    methods = {"gradients": PostHoc(IntegratedGradients, classifier, baselines=-1.0, n_steps=2)}
    return PostHocExplainer(AttributionEvaluation(classifier, methods, cohort.test, cohort.train, folder, "tiny"))


@pytest.mark.parametrize("kind", ["icam", "post_hoc"])
@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_results_do_not_depend_on_the_batch_size(spatial_dims, kind, make_cohort, make_network, tmp_path):
    tables = []
    for size in (1, 3):
        explainer = make_explainer(kind, make_cohort(spatial_dims), make_network(spatial_dims), tmp_path / str(size), size)
        tables.append(examine(explainer, make_judge(size), batch_size=size, randomisation_scans=1, removal_scans=2))
    pd.testing.assert_frame_equal(*tables, atol=1e-3, rtol=1e-3)
    directions = tables[0][tables[0]["protocol"] == "counterfactual"]["direction"]
    assert set(directions) == ({"+", "-"} if kind == "icam" else set())


def test_a_judge_with_the_weights_of_the_examined_network_is_refused(make_cohort, tmp_path):
    judge = make_judge()
    with pytest.raises(ValueError, match="judge_checkpoint holds the weights of the examined classifier"):
        Examination(KnownExplainer(make_cohort(2), tmp_path, judge.network), judge)


@pytest.mark.parametrize("setting", [{"num_shuffles": 0}, {"blur": 0.0}])
def test_an_impossible_setting_raises(setting, make_cohort, tmp_path):
    with pytest.raises(ValueError, match="num_shuffles must be at least 1 and blur above 0 mm"):
        Examination(KnownExplainer(make_cohort(2), tmp_path), make_judge(), **setting)


def test_the_tables_are_the_same_bytes_when_it_is_run_again(make_cohort, tmp_path):
    torch.manual_seed(0)
    network = nn.Conv2d(1, 1, 3, padding=1)
    for name in ("a", "b"):
        examine(KnownExplainer(make_cohort(2), tmp_path / name, network))
    for file in ("metrics.csv", "scans.csv", "settings.json"):
        first, second = ((tmp_path / name / "examination" / file).read_bytes() for name in ("a", "b"))
        assert first == second
