"""How well predicted probabilities tell the classes: accuracy, balanced accuracy, F1 and AUC, with bootstrap intervals.

Every figure is written with a weight for each scan. Weights of one give the figure itself; the numbers of times that a resample
draws each scan give its bootstrap distribution, thousands of resamples at once.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from bundle.evaluation.estimates import divide, estimate

CLASSIFIER = "classifier"  # name of the rows of a network's own predictions
Figure = Callable[..., np.ndarray]  # weights (R, N), labels and probabilities to figures (R,)


def accuracy(weights: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the share of scans whose most likely class is right, for each row of weights.

    Args:
        weights: weight of each scan, shape (R, N).
        labels: true classes, shape (N,).
        probabilities: predicted probabilities, shape (N, K).

    Returns:
        Shares in [0, 1], shape (R,).
    """
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

    The probability that a scan of the class has a higher score than one of the rest, ties counting half.

    Arguments are those of `accuracy`.
    """
    figures = []
    for k in [1] if probabilities.shape[1] == 2 else range(probabilities.shape[1]):
        inside, score = labels == k, probabilities[:, k]
        margin = score[inside][:, None] - score[~inside]
        wins = (margin > 0) + 0.5 * (margin == 0)
        won = ((weights[:, inside] @ wins) * weights[:, ~inside]).sum(1)
        figures.append(divide(won, weights[:, inside].sum(1) * weights[:, ~inside].sum(1)))
    return np.mean(figures, axis=0)


FIGURES: dict[str, Figure] = {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy, "f1": f1, "auc": auc}


def score_predictions(
    labels: np.ndarray,
    probabilities: np.ndarray,
    names: Sequence[str] = tuple(FIGURES),
    **interval: Any,
) -> pd.DataFrame:
    """Score predicted class probabilities over scans.

    Args:
        labels: true classes, shape (N,).
        probabilities: predicted probabilities, shape (N, K).
        names: wanted figures, of `FIGURES`.
        interval: `level`, `num_resamples` and `seed` of the bootstrap over scans, as in `estimate`.

    Returns:
        Table with the columns metric, mean, std, ci_low, ci_high and n. `mean` is the figure; `std` is the spread over
        scans, which only the accuracy has: the others are no means over scans.
    """
    correct = probabilities.argmax(1) == labels
    rows = []
    for name in names:
        weighted = partial(FIGURES[name], labels=labels, probabilities=probabilities)
        figures = estimate(weighted, len(labels), **interval)
        spread = correct.std(ddof=1) if name == "accuracy" and len(labels) > 1 else np.nan
        rows.append({"metric": name, "mean": figures.pop("mean"), "std": spread} | figures)
    return pd.DataFrame(rows)


def score_classes(
    labels: Sequence[int] | np.ndarray, splits: Sequence[str], predictions: Mapping[str, np.ndarray], **interval: Any
) -> pd.DataFrame:
    """Score predictions within each split; these rows of `metrics.csv` have no protocol and no direction.

    Args:
        labels: true classes of the test scans, length N.
        splits: their splits.
        predictions: predicted probabilities by method, each (N, K); of linear probes, unlike of a `classifier`, the balanced
            accuracy alone is of interest.
        interval: as in `score_predictions`.
    """
    truth, tables = np.asarray(labels), []
    for split in sorted(set(splits)):
        rows = np.asarray(splits) == split
        for method, probabilities in predictions.items():
            names = tuple(FIGURES) if method == CLASSIFIER else ("balanced_accuracy",)
            table = score_predictions(truth[rows], probabilities[rows], names, **interval)
            tables.append(table.assign(split=split, protocol="", method=method, direction=""))
    return pd.concat(tables, ignore_index=True)
