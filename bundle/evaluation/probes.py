"""Probes: whether a classifier that is fitted to a latent reads the class from it."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

LEAST_PARTICIPANTS = 2  # of each class, for a probe: one to fit and one to predict
LEAST_SPREAD = 0.1  # of the latent's mean spread; what spreads less, as background does, is not blown up to count as much
PROBES: dict[str, Callable[[int], Any]] = {  # classifiers, by kind, made with a seed
    "linear": lambda seed: LogisticRegression(max_iter=1000),
    "kernel": lambda seed: SVC(random_state=seed),  # Gaussian kernel, as wide as the latent spreads
    "network": lambda seed: MLPClassifier((64,), solver="lbfgs", alpha=1.0, max_iter=1000, random_state=seed),
}


def probe_latent(
    latent: np.ndarray,
    labels: np.ndarray,
    participants: Sequence[str],
    num_folds: int = 5,
    seed: int = 0,
    kind: str = "linear",
) -> np.ndarray:
    """Predict the class of each scan by a classifier that was fitted to the latents of other participants.

    Where a latent has more numbers than there are scans, it is rotated to as many principal components as the scans span, within
    each fold. That loses nothing: a probe is the one on all numbers, only sooner.

    Source: linear probes after Alain and Bengio, 2016 (https://arxiv.org/abs/1610.01644).

    Args:
        latent: one row a scan, shape (N, F).
        labels: classes, shape (N,).
        participants: participant of each scan; all scans of one lie in the same fold.
        num_folds: folds of the cross-validation; fewer when a class has fewer participants.
        seed: seed of the folds.
        kind: classifier, one of `PROBES`.

    Returns:
        Out-of-fold probabilities, shape (N, K).

    Raises:
        ValueError: When a class has fewer than two participants.
    """
    if not can_probe(labels, participants):
        raise ValueError(f"a probe needs two participants of each class at least, got labels {labels.tolist()}")
    folds = StratifiedGroupKFold(min(num_folds, _count_participants(labels, participants)), shuffle=True, random_state=seed)
    fitted = min(len(train) for train, _ in folds.split(latent, labels, participants))
    rotation = [PCA(fitted - 1, svd_solver="full")] if latent.shape[1] >= fitted else []
    probe = make_pipeline(*rotation, PROBES[kind](seed))
    groups, method = np.asarray(participants), "predict" if kind == "kernel" else "predict_proba"
    with warnings.catch_warnings():  # a network that was not fitted to the end is a probe as well
        warnings.simplefilter("ignore", ConvergenceWarning)
        predicted = cross_val_predict(probe, _scale(latent), labels, groups=groups, cv=folds, method=method)
    return predicted if method == "predict_proba" else np.eye(int(labels.max()) + 1)[predicted]


def can_probe(labels: np.ndarray, participants: Sequence[str]) -> bool:
    """Return whether there are two classes or more, and enough participants of each, for a probe."""
    return len(np.unique(labels)) > 1 and _count_participants(labels, participants) >= LEAST_PARTICIPANTS


def _count_participants(labels: np.ndarray, participants: Sequence[str]) -> int:
    """Return the number of participants of the class that has the fewest."""
    return min(len({name for name, own in zip(participants, labels, strict=True) if own == label}) for label in np.unique(labels))


def _scale(latent: np.ndarray) -> np.ndarray:
    """Give every number of a latent the same spread over scans, but for those that hardly vary."""
    spread = latent.std(axis=0, dtype=np.float64)
    floor = LEAST_SPREAD * np.sqrt(np.square(spread).mean())
    return (latent - latent.mean(axis=0)) / np.maximum(spread, max(floor, np.finfo(np.float32).tiny))
