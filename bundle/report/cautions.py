"""What gives reason to doubt the results of a network on test scans."""

import numpy as np

from bundle.evaluation.names import SPLITS
from bundle.inference.cautions import doubt_accuracy


def doubt_predictions(labels: np.ndarray, predicted: np.ndarray, split: str, name: str = "The classifier") -> list[str]:
    """Return a sentence where the classes of test scans are not predicted better than by chance.

    Args:
        labels: classes, shape (N,).
        predicted: likewise; (0,) for a network without classes, of which nothing is said.
        split: which part of the test split it is, such as "seen".
        name: of the classifier.
    """
    if not len(predicted):
        return []
    kind = SPLITS.get(split, split).lower()
    kind = kind if split == "test" else f"test scans ({kind})"
    largest = int(np.unique(labels, return_counts=True)[1].max())
    return doubt_accuracy(int((labels == predicted).sum()), len(labels), largest, name, kind)
