import math

import numpy as np
import pandas as pd
import pytest

from bundle.evaluation import Bootstrap
from bundle.evaluation.ages import summarise_ages
from tests.tiny_evaluation import build_evaluation
from tests.tiny_pairs import VALUE_MEAN, VALUE_SCALE, TinyPairs, build_known_network


def evaluate(cohort: TinyPairs, folder, regression: bool = True, **settings) -> pd.DataFrame:
    network = build_known_network(cohort.spatial_dims, regression=regression)
    settings = {"value_mean": VALUE_MEAN, "value_scale": VALUE_SCALE} | settings
    return build_evaluation(network, cohort, folder, **settings).run()


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_network_that_knows_the_age_predicts_it_and_reaches_the_wanted_one(spatial_dims, tmp_path):
    table = evaluate(TinyPairs(spatial_dims, converters=0, repeats=0, aged=6), tmp_path)
    ages = table[table["protocol"] == "ages"].set_index(["method", "metric"])["mean"]
    assert ages["regressor", "mae"] == pytest.approx(0, abs=1e-3) and ages["regressor", "r2"] == pytest.approx(1)
    assert ages["to_age", "mae"] == pytest.approx(0, abs=1e-3) and ages["to_age", "correlation"] == pytest.approx(1)
    maps = table[table["method"] == "to_age"].set_index(["metric", "direction"])["mean"]
    assert [maps["ncc_image", direction] for direction in "-+"] == pytest.approx([1, 1])
    rows = pd.read_csv(tmp_path / "eval" / "ages.csv")
    assert rows["translated_age"].tolist() == pytest.approx(rows["target_age"].tolist(), abs=1e-3)
    assert rows["predicted_age"].tolist() == pytest.approx(rows["age"].tolist(), abs=1e-3)


def test_wrong_units_show_in_the_error(tmp_path):
    table = evaluate(TinyPairs(2, converters=0, repeats=0, aged=6), tmp_path, value_mean=VALUE_MEAN + 3)
    ages = table[table["protocol"] == "ages"].set_index(["method", "metric"])["mean"]
    assert ages["regressor", "mae"] == pytest.approx(3, abs=1e-3)


@pytest.mark.parametrize("regression", [False, True])
def test_without_a_regressor_or_ages_there_is_no_table(regression, tmp_path, capsys):
    cohort = TinyPairs(2)
    if regression:
        cohort.test.data = [{key: value for key, value in row.items() if key != "age"} for row in cohort.test.data]
    table = evaluate(cohort, tmp_path, regression)
    assert "ages" not in set(table["protocol"]) and not (tmp_path / "eval" / "ages.csv").exists()
    assert ("no column age: the regression is not scored" in capsys.readouterr().out) == regression


def test_figures_are_those_by_hand():
    ages = pd.DataFrame({"split": "seen", "age": [50.0, 60.0, 70.0], "predicted_age": [52.0, 60.0, 66.0]})
    ages = ages.assign(target_age=[70.0, 70.0, np.nan], translated_age=[71.0, 68.0, np.nan])
    figures = summarise_ages(ages, 60.0, Bootstrap(num_resamples=20)).set_index(["method", "metric"])
    means = figures["mean"]
    assert means["regressor", "mae"] == 2 and means["regressor", "r2"] == pytest.approx(1 - 20 / 200)
    assert means["training_mean", "mae"] == pytest.approx(20 / 3) and means["training_mean", "r2"] == 0
    assert means["to_age", "mae"] == 1.5 and math.isnan(means["to_age", "correlation"])  # one wanted age only
    assert figures.loc[("to_age", "mae"), "n"] == 2
