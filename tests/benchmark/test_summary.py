import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bundle.benchmark.results import Results
from bundle.benchmark.summary import SCANS, SEEDS, seed_interval, summarise_figures, summarise_scores
from bundle.evaluation import Bootstrap
from tests.benchmark.conftest import METHODS, SCORES, SPREAD, STEP


@pytest.fixture
def scores(finished):
    return Results(METHODS, finished, "Ours").read_scores()


def of(summary, row, direction="-"):
    return summary[(summary["row"] == row) & (summary["direction"] == direction)].iloc[0]


def test_mean_is_over_seeds_and_spread_over_scans(scores):
    line = of(summarise_scores(scores, ["ncc_image"], "Ours"), "Ours")
    assert line["mean"] == pytest.approx(SCORES["ours"]["exemplar_reconstruction"] + STEP)
    assert line["std"] == pytest.approx(SPREAD)
    assert (line["num_seeds"], line["n"], line["over"]) == (3, 6, SEEDS)


def test_interval_is_that_of_scipy():
    values = np.array([0.7, 0.75, 0.72])
    mean, low, high = seed_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high))
    assert mean == pytest.approx(values.mean())


def test_rows_that_take_no_training_have_an_interval_over_scans(scores):
    line = of(summarise_scores(scores, ["ncc_image"], "Ours"), "image itself (floor)")
    assert line["over"] == SCANS
    assert line["ci_low"] < line["mean"] < line["ci_high"]


def test_lead_is_over_the_same_scans_and_seeds(scores):
    line = of(summarise_scores(scores, ["ncc_image"], "Ours"), "Grad-CAM, theirs")
    assert line["lead"] == pytest.approx(0.3)
    assert line["lead_ci_low"] == pytest.approx(0.3, abs=1e-6)  # both methods move alike from seed to seed, and from scan to scan
    assert line["lead_ci_high"] == pytest.approx(0.3, abs=1e-6)


def test_the_reference_leads_itself_by_nothing(scores):
    assert of(summarise_scores(scores, ["ncc_image"], "Ours"), "Ours")["lead"] == 0


def test_with_one_seed_the_interval_is_over_scans(scores):
    one = scores[scores["seed"] == 0]
    line = of(summarise_scores(one, ["ncc_image"], "Ours"), "Ours")
    chosen = one[(one["row"] == "Ours") & (one["direction"] == "-")]["ncc_image"]
    assert line["over"] == SCANS
    assert (line["ci_low"], line["ci_high"]) == Bootstrap().find_interval(chosen.to_numpy())


def test_scores_that_are_not_defined_do_not_count(scores):
    scores.loc[(scores["row"] == "Ours") & (scores["scan"] == 0), "ncc_image"] = np.nan
    assert of(summarise_scores(scores, ["ncc_image"], "Ours"), "Ours")["n"] == 5


def test_figures_of_several_seeds_have_a_mean_and_an_interval():
    line = {"method": "ours", "measure": "maps", "name": "classifier", "split": "seen", "direction": "", "metric": "accuracy"}
    figures = pd.DataFrame([line | {"mean": mean, "ci_low": 0.0, "ci_high": 1.0, "n": 9} for mean in (0.8, 0.9, 1.0)])
    found = summarise_figures(figures).iloc[0]
    assert found["mean"] == pytest.approx(0.9)
    assert found["ci_high"] - found["mean"] == pytest.approx(found["mean"] - found["ci_low"])
    assert summarise_figures(figures[:1]).iloc[0]["ci_high"] == 1.0
