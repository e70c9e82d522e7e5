import math

import numpy as np
import pytest
from sklearn import metrics

from bundle.evaluation import Bootstrap
from bundle.evaluation.classification import (
    FIGURES,
    OF_ALL_CLASSES,
    calibration_error,
    draw_chance_errors,
    score_predictions,
)


def random_predictions(num_classes: int, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(num_classes)
    labels = generator.integers(num_classes, size=count)
    scores = generator.random((count, num_classes)).round(1) + 0.4 * np.eye(num_classes)[labels] + 0.01  # with ties
    return labels, scores / scores.sum(1, keepdims=True)


def reference(name: str, labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray | None = None) -> float:
    predicted, two = probabilities.argmax(1), probabilities.shape[1] == 2
    match name:
        case "accuracy":
            return metrics.accuracy_score(labels, predicted, sample_weight=weights)
        case "balanced_accuracy":
            return metrics.balanced_accuracy_score(labels, predicted, sample_weight=weights)
        case "f1":
            return metrics.f1_score(labels, predicted, average="binary" if two else "macro", sample_weight=weights)
    if two:
        return metrics.roc_auc_score(labels, probabilities[:, 1], sample_weight=weights)
    columns = enumerate(probabilities.T)
    return float(np.mean([metrics.roc_auc_score(labels == k, column, sample_weight=weights) for k, column in columns]))


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("name", [name for name in FIGURES if name != "calibration_error"])
def test_figures_are_those_of_scikit_learn_with_and_without_weights(name, num_classes):
    labels, probabilities = random_predictions(num_classes)
    weights = np.random.default_rng(0).integers(0, 4, size=(5, len(labels)))
    expected = [reference(name, labels, probabilities, row) for row in weights]
    assert FIGURES[name](weights, labels, probabilities).tolist() == pytest.approx(expected)
    assert FIGURES[name](np.ones((1, len(labels))), labels, probabilities)[0] == pytest.approx(
        reference(name, labels, probabilities)
    )


def test_perfect_predictions_score_one_with_a_closed_interval():
    labels = np.array([0, 1, 0, 1, 1])
    table = score_predictions(labels, np.eye(2)[labels], Bootstrap(num_resamples=200), [*OF_ALL_CLASSES, "accuracy"])
    assert (table[["mean", "ci_low", "ci_high"]] == 1).all(axis=None) and (table["n"] == 5).all()


def test_interval_of_the_accuracy_is_the_closed_form_one():
    labels = np.zeros(400, dtype=int)
    predicted = np.repeat([0, 1], [300, 100])
    row = score_predictions(labels, np.eye(2)[predicted], Bootstrap(num_resamples=20000), ["accuracy"]).iloc[0]
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.75 - half, 0.75 + half), abs=0.003)


def test_spread_over_scans_is_that_of_being_right():
    labels, probabilities = random_predictions(2)
    table = score_predictions(labels, probabilities, Bootstrap(num_resamples=10)).set_index("metric")
    assert table.loc["accuracy", "std"] == pytest.approx((probabilities.argmax(1) == labels).std(ddof=1))
    assert table["std"].drop("accuracy").isna().all()


def test_area_under_the_curve_is_undefined_with_one_class():
    table = score_predictions(np.zeros(4, dtype=int), np.full((4, 2), 0.5), Bootstrap(num_resamples=10), ["auc"])
    assert table[["mean", "ci_low", "ci_high"]].isna().all(axis=None)


def test_the_calibration_error_is_that_of_brute_force():
    labels, probabilities = random_predictions(3, 200)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    expected = 0.0
    for low in np.arange(10) / 10:
        inside = (confidence >= low) & (confidence < low + 0.1)
        expected += abs(confidence[inside].sum() - right[inside].sum()) / 200
    assert calibration_error(np.ones((1, 200)), labels, probabilities)[0] == pytest.approx(expected)


def test_probabilities_that_come_true_as_often_as_they_say_have_no_calibration_error():
    labels = np.repeat([0, 1], [800, 200])
    weights = np.ones((1, 1000))
    assert calibration_error(weights, labels, np.tile([0.8, 0.2], (1000, 1)))[0] == pytest.approx(0)
    assert calibration_error(weights, labels, np.tile([1.0, 0.0], (1000, 1)))[0] == pytest.approx(0.2)


def test_errors_by_chance_are_those_of_classes_drawn_from_the_probabilities():
    probabilities = random_predictions(3, 60)[1]
    random, errors = np.random.default_rng(1), []
    for _ in range(2000):
        labels = (random.random(60)[:, None] > probabilities.cumsum(1)).sum(1)
        errors.append(calibration_error(np.ones((1, 60)), labels, probabilities)[0])
    found = draw_chance_errors(probabilities, 2000)
    assert np.quantile(found, [0.025, 0.5, 0.975]) == pytest.approx(np.quantile(errors, [0.025, 0.5, 0.975]), abs=0.01)


def test_chance_gives_one_scan_the_closed_form_error():
    assert draw_chance_errors(np.array([[0.2, 0.8]]), 20000).mean() == pytest.approx(2 * 0.2 * 0.8, abs=0.01)


def test_the_error_by_chance_stands_beside_the_calibration_error_and_carries_the_interval():
    labels, probabilities = random_predictions(2)
    table = score_predictions(labels, probabilities, Bootstrap(num_resamples=500)).set_index("metric")
    chance = table.loc["calibration_error_by_chance"]
    assert chance["ci_low"] < chance["mean"] < chance["ci_high"] and chance["n"] == len(labels)
    assert table.loc["calibration_error", ["ci_low", "ci_high"]].isna().all()
    others = score_predictions(labels, probabilities, Bootstrap(), ["accuracy"])
    assert "calibration_error_by_chance" not in others["metric"].tolist()
