import numpy as np
import pandas as pd
import pytest
from monai.data import Dataset

from bundle.evaluation import Split
from bundle.report.sections import (
    count_confusions,
    draw_ages,
    draw_curves,
    draw_reliability,
    draw_volumes,
    flatten,
    list_scans,
    show_split,
    summarise_split,
)

ROWS = [
    ("paper", "exemplar_reconstruction", "-", "ncc_image", 0.2),
    ("paired", "exemplar_reconstruction", "-", "ncc_image", 0.5),
    ("paired", "image", "-", "ncc_image", 0.3),
    ("paired", "noise", "-", "ncc_image", 0.1),
    ("paired", "oracle", "-", "ncc_image", 0.9),
    ("paired", "sampled_reconstruction", "-", "ncc_image", 0.4),
    ("paired", "image_vs_change", "-", "ncc_image", 0.35),
    ("paired", "exemplar_reconstruction", "-", "ncc_brain", 0.6),
    ("", "classifier", "", "accuracy", 0.95),
    ("", "probe_content", "", "balanced_accuracy", 0.55),
]
METRICS = pd.DataFrame(ROWS, columns=["protocol", "method", "direction", "metric", "mean"])
METRICS = METRICS.assign(split="seen", ci_low=METRICS["mean"] - 0.1, ci_high=METRICS["mean"] + 0.1, n=10)


def test_summary_names_the_figures_and_the_best_trivial_map_against_the_same_truth():
    figures = summarise_split(METRICS, "seen", "ncc_image")["figures"]
    assert [(figure["label"], figure["value"], figure["beside"]) for figure in figures] == [
        ("NCC(-), exemplar", "0.50", "best trivial map 0.30"),
        ("NCC(-), sampled", "0.40", "best trivial map 0.35"),
        ("accuracy", "0.95", ""),
        ("content probe", "0.55", ""),
    ]
    assert figures[0]["interval"] == "0.40 to 0.60"


def test_without_the_paired_protocol_the_summary_is_that_of_the_paper():
    figures = summarise_split(METRICS[METRICS["protocol"] != "paired"].iloc[[0, -2, -1]], "seen", "ncc_image")["figures"]
    assert figures[0]["label"] == "NCC(-), exemplar" and figures[0]["value"] == "0.20"


def test_the_headline_comes_first_and_each_kind_of_map_has_a_table():
    shown = show_split(METRICS, "seen", "ncc_brain")
    assert list(shown["tables"]) == ["ncc_brain", "ncc_image"]
    assert list(shown["tables"]["ncc_image"]) == ["exemplar", "sampled"]
    assert shown["num_scans"] == 10 and len(shown["drawings"]) == 1
    caption = shown["drawings"][0].caption
    assert "NCC, inside the brain" in caption and "95 % intervals over 10 scans" in caption


def test_learning_curves_are_drawn_from_what_the_history_has(tmp_path):
    assert list(draw_curves(tmp_path / "train.csv")) == []
    pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0], "val_ncc": [0.1, 0.2]}).to_csv(tmp_path / "train.csv")
    assert len(list(draw_curves(tmp_path / "train.csv"))) == 2


def test_nested_settings_become_dotted_names():
    assert dict(flatten({"maps": {"num_samples": 4}, "size": [96, 112]})) == {"maps.num samples": "4", "size": "96, 112"}


@pytest.mark.parametrize("kept", [8])
def test_a_table_of_classes_only_is_shown(kept):
    shown = show_split(METRICS.iloc[kept:], "seen", "ncc_image")
    assert shown["drawings"] == [] and not any(shown["tables"].values())
    assert len(shown["figures"]["classes"]["rows"]) == 2


def test_summary_shows_pairs_and_ages_with_what_they_are_compared_with():
    rows = [
        ("pairs", "longitudinal", "", "repeat_ratio", 0.25),
        ("pairs", "longitudinal", "+", "volume_correlation", 0.8),
        ("ages", "regressor", "", "mae", 3.0),
        ("ages", "training_mean", "", "mae", 9.0),
    ]
    metrics = pd.DataFrame(rows, columns=["protocol", "method", "direction", "metric", "mean"])
    metrics = metrics.assign(split="seen", ci_low=0.0, ci_high=1.0, n=10)
    figures = summarise_split(metrics, "seen", "ncc_image")["figures"]
    assert [(figure["label"], figure["value"], figure["beside"]) for figure in figures] == [
        ("repeat ratio", "0.25", ""),
        ("volume effect, longitudinal (+)", "0.80", ""),
        ("age, error in years", "3.00", "predicting the mean 9.00"),
    ]


def test_volumes_are_drawn_for_each_direction_of_converters():
    rows = [("+", "converter", 1.0), ("-", "converter", -1.0), ("", "repeat", 0.0)]
    volumes = pd.DataFrame(rows, columns=["direction", "kind", "true_change_ml"])
    volumes = volumes.assign(split="seen", method="longitudinal", change_ml=0.5)
    drawings = list(draw_volumes(volumes, "seen"))
    assert ["seen: ventricle volume (+)" in drawing.svg for drawing in drawings] == [True, False]
    assert all("1 of each way" in drawing.caption and "ml" in drawing.caption for drawing in drawings)
    assert len(drawings) == 2 and list(draw_volumes(volumes, "unseen")) == list(draw_volumes(pd.DataFrame(), "seen")) == []


def test_ages_are_drawn_where_they_are_known():
    ages = pd.DataFrame({"split": "seen", "age": [50.0, 60.0], "predicted_age": [51.0, 58.0]})
    assert len(list(draw_ages(ages, "seen"))) == 1
    assert len(list(draw_ages(ages.assign(target_age=70.0, translated_age=[69.0, float("nan")]), "seen"))) == 2
    assert list(draw_ages(ages, "unseen")) == list(draw_ages(pd.DataFrame(), "seen")) == []


def test_reliability_is_drawn_of_each_group_of_probabilities():
    split = Split(Dataset([{"label": label, "participant_id": str(i)} for i, label in enumerate([0, 0, 1, 1])]))
    probabilities = np.array([[0.95, 0.05], [0.92, 0.08], [0.4, 0.6], [0.8, 0.2]])
    drawings = list(draw_reliability(split, probabilities, "test"))
    assert len(drawings) == 1 and "groups of 1, 1, 2 scans" in drawings[0].caption
    assert (
        list(draw_reliability(split, probabilities[:, :0], "test")) == list(draw_reliability(split, probabilities, "seen")) == []
    )


def test_confusions_and_scans_are_those_of_the_split():
    rows = [{"label": label, "participant_id": f"sub-{i}"} for i, label in enumerate([0, 0, 1, 1])]
    split = Split(Dataset(rows), class_names=["healthy", "ill"])
    probabilities = np.array([[0.95, 0.05], [0.32, 0.68], [0.4, 0.6], [0.2, 0.8]])
    table = count_confusions(split, probabilities, "test")
    assert table["columns"] == ["predicted 0 healthy", "predicted 1 ill"]
    assert table["rows"] == [("of class 0 healthy", "", [1, 1]), ("of class 1 ill", "", [0, 2])]
    scans = list_scans(split, probabilities, "test")
    assert scans["columns"] == ["session", "class", "predicted", "probability"]
    assert scans["rows"][1] == ("sub-1", "", ["", "0 healthy", "1 ill", "0.680"]) and len(scans["rows"]) == 4
    assert count_confusions(split, probabilities[:, :0], "test") == count_confusions(split, probabilities, "seen") == {}
    assert list_scans(split, probabilities[:, :0], "test")["rows"][0] == ("sub-0", "", ["", "0 healthy"])
