import math

import numpy as np
import pytest
from sklearn import metrics

from bundle.evaluation import Bootstrap
from bundle.evaluation.classification import FIGURES, probe_latent, score_predictions


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
@pytest.mark.parametrize("name", FIGURES)
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
    table = score_predictions(labels, np.eye(2)[labels], Bootstrap(num_resamples=200))
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


def participants(count: int) -> list[str]:
    return [f"sub-{i}" for i in range(count)]


@pytest.mark.parametrize("size", [4, 200])  # without and with principal components
def test_a_latent_that_carries_the_class_gives_it_away(size):
    labels = np.arange(60) % 2
    latent = np.random.default_rng(0).normal(size=(60, size))
    latent[:, :4] += 8 * labels[:, None]
    assert (probe_latent(latent, labels, participants(60)).argmax(1) == labels).mean() > 0.95


def test_numbers_that_hardly_vary_do_not_drown_those_that_do():
    labels = np.arange(60) % 2
    latent = 1e-6 * np.random.default_rng(0).normal(size=(60, 2000))  # rounding, as in the background
    latent[:, :2] = np.random.default_rng(1).normal(size=(60, 2)) + 4 * labels[:, None]
    assert (probe_latent(latent, labels, participants(60)).argmax(1) == labels).mean() > 0.95


def test_a_latent_without_the_class_gives_chance():
    labels = np.arange(400) % 2
    latent = np.random.default_rng(1).normal(size=(400, 20))
    assert (probe_latent(latent, labels, participants(400)).argmax(1) == labels).mean() == pytest.approx(0.5, abs=0.1)


def test_scans_of_one_participant_never_help_each_other():
    labels = np.repeat(np.arange(20) % 2, 2)
    latent = np.repeat(np.random.default_rng(2).normal(size=(20, 200)), 2, axis=0)  # the same scan twice
    people = np.repeat(participants(20), 2)
    assert (probe_latent(latent, labels, people).argmax(1) == labels).mean() < 0.75


def test_probe_is_the_same_for_the_same_seed():
    labels, latent = np.arange(30) % 3, np.random.default_rng(3).normal(size=(30, 50))
    first, second = (probe_latent(latent, labels, participants(30)) for _ in range(2))
    assert first.shape == (30, 3) and np.array_equal(first, second)


def test_probe_of_a_class_with_one_scan_raises():
    with pytest.raises(ValueError, match="two participants of each class at least, got labels"):
        probe_latent(np.zeros((3, 4)), np.array([0, 0, 1]), participants(3))
