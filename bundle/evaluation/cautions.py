"""What gives reason to doubt the results of a network on test scans."""

import numpy as np

from bundle.cautions import doubt_accuracy
from bundle.evaluation.encodings import Encodings
from bundle.evaluation.names import SPLITS
from bundle.evaluation.split import Split


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


def doubt_classes(split: Split, encodings: Encodings) -> list[str]:
    """Return a sentence for each part of the test split whose classes a network does not predict better than by chance.

    Args:
        split: the test split.
        encodings: of its scans.
    """
    if not encodings.probabilities.shape[1]:
        return []
    predicted, names = encodings.probabilities.numpy().argmax(1), np.array(split.names)
    parts = [(name, names == name) for name in sorted(set(split.names))]
    return [sentence for name, rows in parts for sentence in doubt_predictions(split.labels[rows], predicted[rows], name)]
