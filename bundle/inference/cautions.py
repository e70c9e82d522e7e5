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
    cohort = str(about.get("cohort", ""))
    sentences = [f"The network was trained on simulated scans alone ({cohort}): its results say nothing about patients"]
    return sentences * cohort.startswith(SIMULATED) + _doubt_classes(about.get(VALIDATION))


def _doubt_classes(counts: Mapping[str, Any] | None) -> list[str]:
    """Return a sentence where a classifier is not better than chance on its validation scans, or nothing is known of it."""
    if not counts or not counts["scans"]:
        return ["The network's file does not say how well it classifies scans that it has not learnt from"]
    right, scans, chance = counts["right"], counts["scans"], counts["largest"] / counts["scans"]
    interval = binomtest(right, scans).proportion_ci(LEVEL, "exact")
    if interval.low > chance:
        return []
    return [
        f"The classifier is not better than chance on its {scans} validation scans: {right} are right"
        f" ({right / scans:.0%}, {LEVEL:.0%} interval {interval.low:.0%} to {interval.high:.0%}), and {chance:.0%} would be by"
        " naming the most frequent class: do not read its maps"
    ]
