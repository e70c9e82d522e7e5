"""Classes: how well predicted probabilities separate them and how far they can be trusted, and probes of the latents.

The figures are scikit-learn's with sample weights, for thousands of rows of weights at once; see `bootstrap`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from bundle.evaluation.bootstrap import Bootstrap, divide
from bundle.evaluation.encodings import Encodings
from bundle.evaluation.names import CLASSIFIER
from bundle.evaluation.probes import LEAST_PARTICIPANTS, PROBES, can_probe, probe_latent
from bundle.evaluation.split import Split

Figure = Callable[..., np.ndarray]  # weights (R, N), labels and probabilities to figures (R,)


def accuracy(weights: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the share of scans whose most likely class is right (R,), of weights (R, N), labels (N,), probabilities (N, K)."""
    return weights @ (probabilities.argmax(1) == labels) / weights.sum(1)


def balanced_accuracy(weights: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the accuracy within each class, averaged over the classes that occur; arguments as for `accuracy`."""
    correct = probabilities.argmax(1) == labels
    recalls = [divide(weights @ (correct & (labels == k)), weights @ (labels == k)) for k in np.unique(labels)]
    absent = np.isnan(recalls)
    return np.where(absent, 0, recalls).sum(0) / (~absent).sum(0)


def f1(weights: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return F1 of class 1, or its mean over classes when there are more than two; arguments as for `accuracy`."""
    predicted, num_classes = probabilities.argmax(1), probabilities.shape[1]
    figures = [
        divide(2 * weights @ ((predicted == k) & (labels == k)), weights @ ((predicted == k) * 1.0 + (labels == k)))
        for k in ([1] if num_classes == 2 else range(num_classes))
    ]
    return np.nan_to_num(np.mean(figures, axis=0))  # no such class, true or predicted: zero, as scikit-learn has it


def auc(weights: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve of class 1, or its mean over classes against the rest; NaN when a class is absent.

    It is the probability that a scan of the class has a higher score than one of the rest; arguments as for `accuracy`.
    """
    figures = []
    for k in [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1]):
        inside, score = labels == k, probabilities[:, k]
        margin = score[inside][:, None] - score[~inside]
        wins = (margin > 0) + 0.5 * (margin == 0)
        won = ((weights[:, inside] @ wins) * weights[:, ~inside]).sum(1)
        figures.append(divide(won, weights[:, inside].sum(1) * weights[:, ~inside].sum(1)))
    return np.mean(figures, axis=0)


def calibration_error(weights: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the expected calibration error: how far the accuracy is from the probability of the predicted class.

    It is the mean over scans of the difference in groups of similar probability, `NUM_BINS` of equal width; arguments as for
    `accuracy`.

    Source: Guo et al., ICML 2017, Sec. 2 (https://arxiv.org/abs/1706.04599).
    """
    surplus = probabilities.max(1) - (probabilities.argmax(1) == labels)
    return _sum_groups(weights * surplus, probabilities) / weights.sum(1)


def draw_chance_errors(probabilities: np.ndarray, num_draws: int, seed: int = 0) -> np.ndarray:
    """Return calibration errors that chance alone gives, shape (num_draws,), where the probabilities (N, K) hold.

    Few scans never come true exactly as often as their probabilities say, so that the error of the best classifier is not 0.
    """
    confidences = probabilities.max(1)
    surplus = confidences - (np.random.default_rng(seed).random((num_draws, len(confidences))) < confidences)
    return _sum_groups(surplus, probabilities) / len(confidences)


def _sum_groups(surplus: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the magnitude of the surplus (R, N) of each group of scans of similar probability (N, K), summed, shape (R,)."""
    bins = bin_confidence(probabilities)
    return np.sum([np.abs(surplus[:, bins == each].sum(1)) for each in np.unique(bins)], axis=0)


def bin_confidence(probabilities: np.ndarray) -> np.ndarray:
    """Return the group, 0 to `NUM_BINS` - 1, of the probability of each scan's predicted class, shape (N,)."""
    return np.minimum((probabilities.max(1) * NUM_BINS).astype(int), NUM_BINS - 1)


NUM_BINS = 10  # groups of the expected calibration error and the reliability diagram, of equal width
CALIBRATION = "calibration_error"
OF_ALL_CLASSES = ("balanced_accuracy", "f1", "auc")  # figures that say nothing where a class has no scan
FIGURES: dict[str, Figure] = {
    "accuracy": accuracy, "balanced_accuracy": balanced_accuracy, "f1": f1, "auc": auc, CALIBRATION: calibration_error,
}  # fmt: skip


class Classes:
    """Score a network's classifier, if it has one, and probes of its latents, if it has some.

    The attribute should carry the class and the content should not. Probes are fitted to other test scans, of both splits, in a
    cross-validation.

    Args:
        split: the test split.
        num_folds: folds of the cross-validation.
        seed: seed of the folds.
    """

    def __init__(self, split: Split, num_folds: int = 5, seed: int = 0) -> None:
        self.split, self.num_folds, self.seed = split, num_folds, seed

    def score(self, encodings: Encodings, bootstrap: Bootstrap) -> pd.DataFrame:
        """Return the rows of `metrics.csv` on the probabilities and latents of the test scans."""
        predictions = {CLASSIFIER: encodings.probabilities.numpy()} if encodings.probabilities.shape[1] else {}
        participants = self._list_participants()
        for name in ("pooled", "content", "attribute") if can_probe(self.split.labels, participants) else ():
            latent = getattr(encodings, name)
            if len(latent):
                known = latent.flatten(1).numpy(), self.split.labels, participants
                method = f"probe_{'content_' if name == 'pooled' else ''}{name}"
                for kind in PROBES if name == "content" else ("linear",):
                    suffix = "" if kind == "linear" else f"_{kind}"
                    predictions[method + suffix] = probe_latent(*known, self.num_folds, self.seed, kind)
        return score_classes(self.split, predictions, bootstrap)

    def list_gaps(self) -> list[str]:
        """Return a sentence for the figures that the test scans do not allow."""
        gaps = []
        for name in sorted(set(self.split.names)):
            shown = {label for label, own in zip(self.split.labels.tolist(), self.split.names, strict=True) if own == name}
            absent = [self.split.name_class(label) for label in range(self.split.num_classes) if label not in shown]
            if absent:
                gaps.append(f"no {name} scan of class {' and '.join(absent)}: no {', '.join(OF_ALL_CLASSES)}")
        if not can_probe(self.split.labels, self._list_participants()):
            gaps.append(f"fewer than {LEAST_PARTICIPANTS} test participants of a class: no probes of the latents")
        return gaps

    def _list_participants(self) -> list[str]:
        return [str(row["participant_id"]) for row in self.split.rows]

    def list_predictions(self, encodings: Encodings) -> pd.DataFrame:
        """Return the contents of `predictions.csv`, a row a test scan, from its probabilities."""
        table = pd.DataFrame([self.split.describe(index) for index in range(len(self.split))]).drop(columns="scan")
        if encodings.probabilities.shape[1]:
            table["predicted"] = encodings.probabilities.argmax(1).numpy()
            names = self.split.class_names
            table["predicted_name"] = [names[label] if label < len(names) else "" for label in table["predicted"]]
        for label, column in enumerate(encodings.probabilities.T.tolist()):
            table[f"probability_{label}"] = column
        if len(encodings.typicality):
            table["typicality"] = encodings.typicality.numpy()
        return table


def score_classes(split: Split, predictions: Mapping[str, np.ndarray], bootstrap: Bootstrap) -> pd.DataFrame:
    """Score predicted probabilities (N, K), by method, of seen and of unseen anatomies, as rows of `metrics.csv`.

    They have no protocol and no direction. Of probes, unlike of a `classifier`, only the balanced accuracy is given.
    """
    tables = []
    for name in sorted(set(split.names)) if predictions else ():
        rows = np.array(split.names) == name
        for method, probabilities in predictions.items():
            whole = len(np.unique(split.labels[rows])) == split.num_classes
            names = tuple(FIGURES) if method == CLASSIFIER else ("balanced_accuracy",)
            names = tuple(metric for metric in names if whole or metric not in OF_ALL_CLASSES)
            if not names:
                continue
            table = score_predictions(split.labels[rows], probabilities[rows], bootstrap, names)
            tables.append(table.assign(split=name, protocol="", method=method, direction=""))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def score_predictions(
    labels: np.ndarray, probabilities: np.ndarray, bootstrap: Bootstrap, names: Sequence[str] = tuple(FIGURES)
) -> pd.DataFrame:
    """Return figures of predicted probabilities (N, K) of scans of classes (N,), those of `FIGURES` that are named.

    Columns are metric, mean, std, ci_low, ci_high and n. `mean` is the figure; `std` is the spread over scans, which only the
    accuracy has: the others are no means over scans. The calibration error has no interval, as resamples of scans have larger
    errors than the scans; `calibration_error_by_chance` follows it, with mean and interval of `draw_chance_errors`.
    """
    correct = probabilities.argmax(1) == labels
    rows = []
    for name in names:
        if name == CALIBRATION:
            rows += _score_calibration(labels, probabilities, bootstrap)
            continue
        figures = bootstrap.estimate(partial(FIGURES[name], labels=labels, probabilities=probabilities), len(labels))
        spread = correct.std(ddof=1) if name == "accuracy" and len(labels) > 1 else np.nan
        rows.append({"metric": name, "mean": figures.pop("mean"), "std": spread} | figures)
    return pd.DataFrame(rows)


def _score_calibration(labels: np.ndarray, probabilities: np.ndarray, bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """Return the rows of the calibration error and of that by chance."""
    error = calibration_error(np.ones((1, len(labels))), labels, probabilities)[0]
    chance = draw_chance_errors(probabilities, bootstrap.num_resamples, bootstrap.seed)
    figures = (CALIBRATION, error, (np.nan, np.nan)), (f"{CALIBRATION}_by_chance", chance.mean(), bootstrap.find_range(chance))
    return [
        {"metric": name, "mean": mean, "std": np.nan, "ci_low": low, "ci_high": high, "n": len(labels)}
        for name, mean, (low, high) in figures
    ]
