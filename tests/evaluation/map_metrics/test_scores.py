import math

import numpy as np
import pandas as pd
import pytest
import torch

from bundle.evaluation import Bootstrap
from bundle.evaluation.ground_truth import Truth
from bundle.evaluation.map_metrics.scores import score_maps, summarise_scores
from bundle.evaluation.names import COLUMNS, select_kind


@pytest.mark.parametrize("size", [(8, 6), (8, 6, 4)])
def test_maps_are_compared_with_the_truths_of_their_kind(size):
    first, second = torch.rand(1, *size), torch.rand(1, *size)
    brain_mask = (torch.rand(1, *size) > 0.3).float()
    maps = {"exemplar_input": first, "sampled_input": -second, "noise": torch.randn(1, *size)}
    kinds = [("paper", "both", first), ("paired", "exemplar", first), ("paired", "sampled", second)]
    truths = [Truth(protocol, kind, "truth", truth) for protocol, kind, truth in kinds]
    rows = {(row["protocol"], row["method"]): row for row in score_maps(maps, truths, brain_mask)}
    assert set(rows) == {
        ("paper", "exemplar_input"), ("paper", "sampled_input"), ("paper", "noise"),
        ("paired", "exemplar_input"), ("paired", "noise"), ("paired", "sampled_input"), ("paired", "noise_vs_change"),
    }  # fmt: skip
    for key in [("paper", "exemplar_input"), ("paired", "exemplar_input"), ("paired", "sampled_input")]:
        assert rows[key]["ncc_image"] == pytest.approx(1) and rows[key]["ncc_brain"] == pytest.approx(1)
        assert rows[key]["auprc"] == pytest.approx(1) and rows[key]["pointing"] == 1
    expected = np.corrcoef(maps["noise"].abs().double().ravel(), second.double().ravel())[0, 1]
    assert rows["paired", "noise_vs_change"]["ncc_image"] == pytest.approx(expected)


def test_without_a_brain_mask_there_is_no_score_inside_it():
    truths = [Truth("paper", "both", "mask", torch.rand(1, 4, 4))]
    assert "ncc_brain" not in score_maps({"noise": torch.randn(1, 4, 4)}, truths, None)[0]


def scans_of(values: list[float]) -> pd.DataFrame:
    about = {"split": "seen", "protocol": "paper", "method": "noise", "direction": "-"}
    return pd.DataFrame([about | {"ncc_image": value} for value in values])


def test_summary_is_mean_spread_interval_and_number_of_the_defined_scores():
    row = summarise_scores(scans_of([0.1, math.nan, 0.4, 0.7]), Bootstrap(num_resamples=100)).iloc[0]
    assert (row["mean"], row["std"], row["n"]) == (pytest.approx(0.4), pytest.approx(0.3), 3)
    assert (row["ci_low"], row["ci_high"]) == Bootstrap(num_resamples=100).find_interval([0.1, 0.4, 0.7])


def test_summary_of_undefined_scores_says_so():
    row = summarise_scores(scans_of([math.nan]), Bootstrap()).iloc[0]
    assert row["n"] == 0 and row[["mean", "std", "ci_low", "ci_high"]].isna().all()


def test_summary_has_the_columns_of_the_table():
    assert tuple(summarise_scores(scans_of([0.5, 0.6]), Bootstrap()).columns) == COLUMNS[1:]


def test_trivial_maps_stand_beside_each_kind_of_map_against_its_own_truth():
    names = [("paper", "exemplar_input"), ("paper", "noise"), ("paired", "exemplar_input"), ("paired", "noise"),
             ("paired", "sampled_input"), ("paired", "noise_vs_change"), ("", "classifier")]  # fmt: skip
    metrics = pd.DataFrame(names, columns=["protocol", "method"])
    metrics["metric"] = ["ncc_image"] * 6 + ["accuracy"]
    metrics["mean"] = np.arange(7)
    assert select_kind(metrics, "exemplar")["mean"].tolist() == [0, 1, 2, 3]
    sampled = select_kind(metrics, "sampled")
    assert sampled["mean"].tolist() == [1, 4, 5] and sampled["method"].tolist() == ["noise", "sampled_input", "noise"]
