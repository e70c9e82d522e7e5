"""Linear probes: what a latent tells of the class. The attribute should tell it and the content should not."""

from collections.abc import Sequence

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

LEAST_SPREAD = 0.1  # of the latent's mean spread; what spreads less, as background does, is not blown up to count as much


def probe_latent(
    latent: np.ndarray, labels: np.ndarray, participants: Sequence[str], num_folds: int = 5, seed: int = 0
) -> np.ndarray:
    """Predict the class of each scan by a logistic regression that was fitted to the latents of other participants.

    Where a latent has more numbers than there are scans, it is rotated to as many principal components as the scans span, within
    each fold. That loses nothing: the probe is the one on all numbers, only sooner.

    Source: linear probes after Alain and Bengio, 2016 (https://arxiv.org/abs/1610.01644).

    Args:
        latent: one row a scan, shape (N, F).
        labels: classes, shape (N,).
        participants: participant of each scan; all scans of one lie in the same fold.
        num_folds: folds of the cross-validation; fewer when a class has fewer scans.
        seed: seed of the folds.

    Returns:
        Out-of-fold probabilities, shape (N, K).

    Raises:
        ValueError: When a class has fewer than two scans.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2 or counts.min() < 2:
        raise ValueError(f"a linear probe needs two scans of each class at least, got labels {labels.tolist()}")
    folds = StratifiedGroupKFold(min(num_folds, int(counts.min())), shuffle=True, random_state=seed)
    fitted = min(len(train) for train, _ in folds.split(latent, labels, participants))
    rotation = [PCA(fitted - 1, svd_solver="full")] if latent.shape[1] >= fitted else []
    probe = make_pipeline(*rotation, LogisticRegression(max_iter=1000))
    return cross_val_predict(
        probe, _scale(latent), labels, groups=np.asarray(participants), cv=folds, method="predict_proba"
    )


def _scale(latent: np.ndarray) -> np.ndarray:
    """Give every number of a latent the same spread over scans, but for those that hardly vary."""
    spread = latent.std(axis=0, dtype=np.float64)
    floor = LEAST_SPREAD * np.sqrt(np.square(spread).mean())
    return (latent - latent.mean(axis=0)) / np.maximum(spread, max(floor, np.finfo(np.float32).tiny))
