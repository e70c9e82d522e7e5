"""What stands above every result of a network whose file gives reason to doubt it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from bundle.checkpoints import VALIDATION, read_about

SIMULATED = "simulated "  # start of the names of simulated cohorts
LEVEL = 0.95  # of the interval of the accuracy


def list_cautions(path: str | Path) -> list[str]:
    """Return what the file of a trained network gives reason to doubt, in sentences.

    Args:
        path: file of a trained network.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no checkpoint.
    """
    about = read_about(path)
    return doubt_cohort(str(about.get("cohort", ""))) + _doubt_classes(about.get(VALIDATION))


def doubt_cohort(cohort: str, name: str = "The network") -> list[str]:
    """Return a sentence where the cohort of a training was simulated.

    Args:
        cohort: its name.
        name: of the network.
    """
    sentences = [f"{name} was trained on simulated scans alone ({cohort}): its results say nothing about patients"]
    return sentences * cohort.startswith(SIMULATED)


def doubt_accuracy(right: int, scans: int, largest: int, name: str, kind: str) -> list[str]:
    """Return a sentence where a classifier is not better than chance.

    Args:
        right: number of scans whose class is predicted.
        scans: number of scans.
        largest: number of those of the most frequent class.
        name: of the classifier, at the start of the sentence.
        kind: what scans they are.
    """
    chance, interval = largest / scans, binomtest(right, scans).proportion_ci(LEVEL, "exact")
    if interval.low > chance:
        return []
    return [
        f"{name} is not shown to be better than chance on its {scans} {kind}: {right} are right"
        f" ({right / scans:.0%}, {LEVEL:.0%} interval {interval.low:.0%} to {interval.high:.0%}), and {chance:.0%} would be by"
        " naming the most frequent class: do not read its maps"
    ]


def _doubt_classes(counts: Mapping[str, Any] | None) -> list[str]:
    """Return a sentence where a classifier is not better than chance on its validation scans, or nothing is known of it."""
    if not counts or not counts["scans"]:
        return ["The network's file does not say how well it classifies scans that it has not learnt from"]
    return doubt_accuracy(counts["right"], counts["scans"], counts["largest"], "The classifier", "validation scans")
