import numpy as np
import pandas as pd
import pytest
import torch

from bundle.evaluation import Bootstrap, Evaluation
from bundle.evaluation.longitudinal import summarise_pairs
from tests.tiny_evaluation import build_evaluation
from tests.tiny_pairs import LOSS, TinyPairs, build_known_network, draw_rim


def evaluate(cohort: TinyPairs, folder, network=None, **settings) -> tuple[Evaluation, pd.DataFrame]:
    network = network or build_known_network(cohort.spatial_dims, cohort.num_classes)
    evaluation = build_evaluation(network, cohort, folder, **{"voxel_size": 2.0, "dilation": 2.0} | settings)
    return evaluation, evaluation.run()


def figure(table: pd.DataFrame, method: str, metric: str, direction: str = "") -> float:
    chosen = table[(table["method"] == method) & (table["metric"] == metric) & (table["direction"] == direction)]
    return chosen["mean"].item()


@pytest.mark.parametrize("spatial_dims", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_network_that_changes_what_the_disease_changes_scores_perfectly(spatial_dims, tmp_path):
    _, table = evaluate(TinyPairs(spatial_dims), tmp_path)
    for direction in "-+":
        for method in ("longitudinal", "exemplar_reconstruction", "sampled_input"):
            assert figure(table, method, "ncc_image", direction) == pytest.approx(1)
        assert figure(table, "longitudinal", "volume_correlation", direction) > 0.95
        assert figure(table, "longitudinal", "volume_ratio", direction) == pytest.approx(1, abs=0.05)
    assert figure(table, "longitudinal", "repeat_ratio") == pytest.approx(0, abs=1e-5)
    assert figure(table, "image", "ncc_brain", "+") < 0.5


def test_tables_have_a_row_a_scan_with_a_pair(tmp_path):
    cohort = TinyPairs(2, converters=3, repeats=2)
    evaluate(cohort, tmp_path)
    pairs, volumes, scans = (pd.read_csv(tmp_path / "eval" / f"{name}.csv") for name in ("pairs", "volumes", "scans"))
    assert pairs["kind"].tolist() == ["converter"] * 6 + ["repeat"] * 4
    assert pairs["direction"].fillna("").tolist() == ["+", "-"] * 3 + [""] * 4
    assert pairs["session_id"].tolist() == ["M0", "M1"] * 5 and pairs["pair"].tolist() == ["M1", "M0"] * 5
    assert volumes.groupby("method")["scan"].count().to_dict() == {"longitudinal": 10, "exemplar": 6, "sampled": 6}
    assert set(scans[scans["method"] == "longitudinal"]["scan"]) == set(range(6))  # repeats have no truth
    assert not scans["participant_id"].str.startswith("repeat").any() and scans["ncc_image"].notna().all()


def test_the_map_is_the_change_between_the_scans_in_the_brain(tmp_path):
    cohort = TinyPairs(3, converters=2)
    evaluation, _ = evaluate(cohort, tmp_path)
    change = cohort.images["converter-0_M1"]["image"] - cohort.images["converter-0_M0"]["image"]
    maps = evaluation.pairs.make_maps([0, 1])
    torch.testing.assert_close(maps.mean, torch.stack([change, -change]), atol=1e-4, rtol=0)
    pairs = pd.read_csv(tmp_path / "eval" / "pairs.csv")
    inside = change.abs().sum() / cohort.images["converter-0_M0"]["brain_mask"].sum()
    assert pairs["mean_absolute_map"][:2].tolist() == pytest.approx([float(inside)] * 2, abs=1e-4)


def test_noise_in_the_attribute_is_what_the_repeat_ratio_shows(tmp_path):
    cohort = TinyPairs(2, converters=4, repeats=4)
    for name, images in cohort.images.items():
        if name.startswith("repeat") and name.endswith("M1"):
            images["image"] = images["image"] + 0.25 * LOSS * draw_rim(2)  # another state that the labels do not know
    _, table = evaluate(cohort, tmp_path)
    pairs = pd.read_csv(tmp_path / "eval" / "pairs.csv")
    converters = pairs[pairs["kind"] == "converter"]["mean_absolute_map"].mean()
    size = 0.25 * -LOSS * draw_rim(2).sum().item() / cohort.images["repeat-0_M0"]["brain_mask"].sum().item()
    assert figure(table, "longitudinal", "repeat_ratio") == pytest.approx(size / converters, rel=1e-3)


def test_a_participant_counts_once():
    pairs = pd.DataFrame({
        "participant_id": ["a", "a", "b", "b", "c"], "kind": ["converter"] * 4 + ["repeat"], "split": "seen",
        "mean_absolute_map": [1.0, 3.0, 6.0, 6.0, 1.0],
    })  # fmt: skip
    rows = summarise_pairs(pairs, Bootstrap(num_resamples=20)).set_index("metric")
    assert rows["mean"].to_dict() == {"map_of_converters": 4, "map_of_repeats": 1, "repeat_ratio": 0.25}
    assert rows["n"].to_dict() == {"map_of_converters": 2, "map_of_repeats": 1, "repeat_ratio": 3}
    assert set(summarise_pairs(pairs[:4], Bootstrap(num_resamples=20))["metric"]) == {"map_of_converters"}


@pytest.mark.slow
def test_with_three_classes_a_disease_map_is_the_truth_of_its_own_direction_only(tmp_path):
    _, table = evaluate(TinyPairs(2, num_classes=3, converters=8, repeats=6), tmp_path)
    maps = table[table["metric"] == "ncc_image"]
    assert set(maps["direction"]) == {"0>1", "1>0", "1>2", "2>1"}
    assert maps[maps["method"] == "longitudinal"]["mean"].tolist() == pytest.approx([1] * 4)
    assert set(table[table["metric"] == "volume_correlation"]["direction"]) == {"0>1", "1>0", "1>2", "2>1"}
    assert (maps["n"] == 4).all()


def test_without_regions_or_pairs_what_needs_them_is_left_out_and_named(tmp_path, capsys):
    cohort = TinyPairs(2)
    cohort.test.data = [{key: value for key, value in row.items() if key != "regions"} for row in cohort.test.data]
    _, table = evaluate(cohort, tmp_path)
    assert "repeat_ratio" in set(table["metric"]) and "volume_correlation" not in set(table["metric"])
    assert "Left out: no column regions: no volume effects" in capsys.readouterr().out
    assert not (tmp_path / "eval" / "volumes.csv").exists()


@pytest.mark.slow
def test_tables_of_an_earlier_run_do_not_stay(tmp_path):
    evaluate(TinyPairs(2), tmp_path)
    cohort = TinyPairs(2)
    cohort.test.data = [{key: value for key, value in row.items() if key != "pair"} for row in cohort.test.data]
    evaluate(cohort, tmp_path)
    assert not any((tmp_path / "eval" / f"{name}.csv").exists() for name in ("pairs", "volumes", "ages"))


@pytest.mark.slow
def test_results_do_not_depend_on_the_batch_size(tmp_path):
    first, second = (evaluate(TinyPairs(2), tmp_path / str(size), batch_size=size)[1] for size in (1, 5))
    columns = ["mean", "ci_low", "ci_high"]
    np.testing.assert_allclose(first[columns], second[columns], atol=1e-4)
