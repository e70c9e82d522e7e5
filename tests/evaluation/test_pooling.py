"""The evaluations of folds, pooled."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bundle.evaluation import Bootstrap, pool_folds
from bundle.evaluation.reporting import Results
from tests.tiny_evaluation import CLASS_FIGURES

BOOTSTRAP = Bootstrap(num_resamples=50)


def write_fold(
    folder: Path, people: list[str], correct: list[bool], scores: list[float] | None = None, names=("HC", "PT")
) -> Path:
    labels = [index % 2 for index in range(len(people))]
    first = [0.9 if (label == 0) == right else 0.1 for label, right in zip(labels, correct, strict=True)]
    table = pd.DataFrame({"participant_id": people, "split": "test", "label": labels, "probability_0": first})
    scans = pd.DataFrame()
    if scores is not None:
        scans = table[["participant_id", "split", "label"]].assign(protocol="paper", method="exemplar_input", direction="-")
        scans["ncc_image"] = scores
    tables = {"predictions": table.assign(probability_1=1 - table["probability_0"]), "scans": scans}
    Results(folder / "eval").write_tables(tables, {"class_names": list(names), "checkpoint": str(folder / "model.pt")})
    return folder


def find(metrics: pd.DataFrame, metric: str) -> pd.Series:
    return metrics[metrics["metric"] == metric].iloc[0]


def test_figures_are_those_of_all_scans_and_not_means_of_folds(tmp_path: Path, capsys) -> None:
    write_fold(tmp_path / "fold-0", ["a", "b"], [True, False], [0.5, 0.7])
    write_fold(tmp_path / "fold-1", ["c", "d", "e", "f"], [True] * 4, [0.1, 0.3, 0.2, 0.6])
    metrics = pool_folds(str(tmp_path / "fold-*"), Results(tmp_path / "pooled" / "eval"), BOOTSTRAP)
    assert find(metrics, "accuracy")[["mean", "n"]].tolist() == pytest.approx([5 / 6, 6])
    assert find(metrics, "ncc_image")[["mean", "n"]].tolist() == pytest.approx([np.mean([0.5, 0.7, 0.1, 0.3, 0.2, 0.6]), 6])
    predictions = pd.read_csv(tmp_path / "pooled" / "eval" / "predictions.csv")
    assert predictions["fold"].tolist() == ["fold-0"] * 2 + ["fold-1"] * 4
    settings = json.loads((tmp_path / "pooled" / "eval" / "settings.json").read_text())
    assert len(settings["folds"]) == len(settings["checkpoints"]) == 2 and settings["class_names"] == ["HC", "PT"]
    printed = capsys.readouterr().out
    assert "2 folds, test: classes" in printed and f"Written to {tmp_path / 'pooled' / 'eval'}" in printed


def test_folds_without_scores_of_maps_have_their_classes_pooled(tmp_path: Path) -> None:
    folds = [write_fold(tmp_path / str(fold), [f"{fold}a", f"{fold}b"], [True, True]) for fold in range(3)]
    metrics = pool_folds(folds, Results(tmp_path / "eval"), BOOTSTRAP)
    figures = metrics.set_index("metric")["mean"]
    assert set(figures.index) == CLASS_FIGURES
    assert (figures.drop(["calibration_error", "calibration_error_by_chance"]) == 1).all()


def test_what_are_no_folds_of_one_cohort_is_refused(tmp_path: Path) -> None:
    first = write_fold(tmp_path / "0", ["a", "b"], [True, True])
    results = Results(tmp_path / "eval")
    with pytest.raises(ValueError, match="folds must be the output folders of two folds or more"):
        pool_folds([first, first], results, BOOTSTRAP)
    with pytest.raises(FileNotFoundError, match="absent holds no evaluation"):
        pool_folds([first, tmp_path / "absent"], results, BOOTSTRAP)
    with pytest.raises(ValueError, match="b was tested in two folds"):
        pool_folds([first, write_fold(tmp_path / "1", ["c", "b"], [True, True])], results, BOOTSTRAP)
    with pytest.raises(ValueError, match="other classes: .*'HC', 'PT'.* and .*'MCI', 'AD'"):
        pool_folds([first, write_fold(tmp_path / "2", ["d", "e"], [True, True], names=("MCI", "AD"))], results, BOOTSTRAP)
