"""Figures of every row over scans and seeds."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from bundle.evaluation import Bootstrap

KEYS = ["row", "family", "split", "protocol", "direction", "metric"]
LEADS = ("lead", "lead_ci_low", "lead_ci_high", "lead_seeds")
COLUMNS = (*KEYS, "mean", "std", "ci_low", "ci_high", "over", "num_seeds", "n", *LEADS)
FIGURE_KEYS = ("method", "measure", "name", "split", "direction", "metric")
FIGURES = (*FIGURE_KEYS, "mean", "ci_low", "ci_high", "num_seeds", "n")
SEEDS, SCANS = "seeds", "scans"


def summarise_scores(scores: pd.DataFrame, metrics: list[str], reference: str, level: float = 0.95) -> pd.DataFrame:
    """Summarise the scores of maps.

    `std` is the standard deviation over scans, averaged over seeds. The interval is that of the mean over seeds (Student's t), in
    which the mean of other trainings would lie; with one seed, and where no seed matters, it is that over scans (bootstrap).
    `lead` is by how much the row `reference` is ahead on the same scans, with its interval, likewise. The scores have one line a
    row, seed, scan, protocol and direction; the summary has `COLUMNS`.
    """
    long = scores.melt([*KEYS[:-1], "seed", "scan"], metrics, "metric", "score").dropna(subset="score")
    ahead = long[long["row"] == reference].set_index(["split", "protocol", "direction", "metric", "seed", "scan"])["score"]
    lines = []
    for names, group in long.groupby(KEYS, sort=False):
        place = list(zip(*(group[name] for name in ahead.index.names), strict=True))
        difference = ahead.reindex(place).to_numpy() - group["score"].to_numpy()
        lead = _interval(group.assign(score=difference), level)
        leads = dict(zip(LEADS, (lead[name] for name in ("mean", "ci_low", "ci_high", "num_seeds")), strict=True))
        lines.append(dict(zip(KEYS, names, strict=True)) | _interval(group, level) | leads)
    return pd.DataFrame(lines, columns=list(COLUMNS))


def summarise_figures(figures: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Summarise figures of which there is one a seed, as mean, interval and number of seeds; the summary has `FIGURES`."""
    keys, lines = list(FIGURE_KEYS), []
    for names, group in figures.groupby(keys, sort=False) if len(figures) else ():
        mean, low, high = seed_interval(group["mean"].to_numpy(), level)
        if np.ptp(group["mean"].to_numpy()) == 0:  # one seed, or all alike: the interval over scans
            low, high = group[["ci_low", "ci_high"]].iloc[0]
        found = {"mean": mean, "ci_low": low, "ci_high": high, "num_seeds": len(group), "n": int(group["n"].iloc[0])}
        lines.append(dict(zip(keys, names, strict=True)) | found)
    return pd.DataFrame(lines, columns=list(FIGURES))


def seed_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of values, one a seed, (S,), and both ends of its interval by Student's t; they are NaN with one seed."""
    mean = float(values.mean())
    if len(values) < 2:
        return mean, np.nan, np.nan
    # By hand, as scipy's ttest_1samp warns where all seeds agree.
    half = float(student.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def _interval(group: pd.DataFrame, level: float) -> dict[str, Any]:
    """Return mean, spread and interval of the scores of one row, in one direction of one split."""
    by_seed = group.groupby("seed")["score"]
    means = by_seed.mean().dropna().to_numpy()
    if not len(means):
        return {name: np.nan for name in ("mean", "std", "ci_low", "ci_high")} | {"num_seeds": 0}
    mean, low, high = seed_interval(means, level)
    varies = np.ptp(means) > 0  # trivial maps are the same for all seeds
    if not varies:
        low, high = Bootstrap(level).find_interval(group[group["seed"] == group["seed"].iloc[0]]["score"].to_numpy())
    figures = {"mean": mean, "std": float(by_seed.std().mean()), "ci_low": low, "ci_high": high}
    return figures | {"over": SEEDS if varies else SCANS, "num_seeds": len(means), "n": int(by_seed.count().max())}
