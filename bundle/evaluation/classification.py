"""How well predicted probabilities tell the classes: accuracy, balanced accuracy, F1 and AUC, with bootstrap intervals.

Every figure is written with a weight for each scan. Weights of one give the figure itself; the numbers of times that a resample
draws each scan give its bootstrap distribution, thousands of resamples at once.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

Figure = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


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
    recalls = [_divide(weights @ (correct & (labels == k)), weights @ (labels == k)) for k in np.unique(labels)]
    absent = np.isnan(recalls)
    return np.where(absent, 0, recalls).sum(0) / (~absent).sum(0)


def f1(weights: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return F1 of class 1, or its mean over classes when there are more than two; arguments as for `accuracy`."""
    predicted, num_classes = probabilities.argmax(1), probabilities.shape[1]
    figures = [
        _divide(2 * weights @ ((predicted == k) & (labels == k)), weights @ ((predicted == k) * 1.0 + (labels == k)))
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
        figures.append(_divide(won, weights[:, inside].sum(1) * weights[:, ~inside].sum(1)))
    return np.mean(figures, axis=0)


FIGURES: dict[str, Figure] = {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy, "f1": f1, "auc": auc}


def score_predictions(
    labels: np.ndarray,
    probabilities: np.ndarray,
    names: Sequence[str] = tuple(FIGURES),
    level: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Score predicted class probabilities over scans.

    Args:
        labels: true classes, shape (N,).
        probabilities: predicted probabilities, shape (N, K).
        names: wanted figures, of `FIGURES`.
        level: probability that the percentile interval covers the figure.
        num_resamples: resamples of the bootstrap over scans.
        seed: seed of the bootstrap.

    Returns:
        Table with the columns metric, mean, std, ci_low, ci_high and n. `mean` is the figure; `std` is the spread over
        scans, which only the accuracy has: the others are no means over scans.
    """
    count = len(labels)
    ones = np.ones((1, count))
    correct = probabilities.argmax(1) == labels
    resamples = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=num_resamples)
    rows = []
    for name in names:
        draws = FIGURES[name](resamples, labels, probabilities)
        draws = draws[~np.isnan(draws)]  # a resample may lack a class
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]) if count > 1 and draws.size else (np.nan, np.nan)
        figure = FIGURES[name](ones, labels, probabilities)[0]
        spread = correct.std(ddof=1) if name == "accuracy" and count > 1 else np.nan
        rows.append({"metric": name, "mean": figure, "std": spread, "ci_low": low, "ci_high": high, "n": count})
    return pd.DataFrame(rows)


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the ratio, NaN where the denominator is zero."""
    return np.divide(numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator != 0)
