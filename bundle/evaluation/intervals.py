"""Intervals for the change of every voxel, and how often they hold it.

Three intervals are made of the N sampled maps of a scan, each for a level p:

- `normal`: mean +- q s, with the standard deviation s over the samples and the quantile q of the normal distribution;
- `quantile`: from the (1 - p) / 2 to the (1 + p) / 2 quantile of the samples;
- `calibrated`: from mean + a to mean + b, with the (1 - p) / 2 and the (1 + p) / 2 quantile a and b of change minus mean over
  voxels of validation scans with a similar s and a similar mean.

The first two know how the network's translations differ among themselves, and nothing else: where all of them are wrong in the
same way they are too narrow. The third one is a split conformal prediction in groups, which are made of s and, inside those, of
the mean: where a map is strong there is a lesion, most often a stronger one, and where it is weak there is none, most often.
Voxels of one scan are no independent draws, so it promises a coverage over many scans and not for each.

Source: Vovk et al., ACML 2012, conditional (Mondrian) conformal prediction (https://arxiv.org/abs/1209.2673).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

NAMES = ("normal", "quantile", "calibrated")


class Calibration(NamedTuple):
    """Ends of the calibrated intervals, in S groups of voxels of similar spread, and M of similar mean in each.

    Attributes:
        spread_edges: standard deviations that separate the groups, ascending, network intensity, shape (S - 1,).
        mean_edges: means that separate the groups inside each, likewise, shape (S, M - 1).
        ends: by level what is added to the mean, network intensity, shape (S, M, 2); NaN in groups without voxels.
    """

    spread_edges: np.ndarray
    mean_edges: np.ndarray
    ends: dict[float, np.ndarray]

    def find(self, mean: np.ndarray, spread: np.ndarray, level: float) -> np.ndarray:
        """Return what is added to the mean of each of V voxels to have both ends of its interval, shape (2, V)."""
        groups = np.digitize(spread, self.spread_edges)
        return self.ends[level][groups, _digitize(mean, groups, self.mean_edges)].T


class Interval(NamedTuple):
    """Ends of an interval at each of V voxels.

    Attributes:
        name: "normal", "quantile" or "calibrated".
        level: probability that it is to hold the change.
        low: lower end, network intensity, shape (V,).
        high: upper end, likewise.
    """

    name: str
    level: float
    low: np.ndarray
    high: np.ndarray

    def covers(self, changes: np.ndarray) -> np.ndarray:
        """Tell of changes, shape (M, V), where the interval holds them."""
        return (self.low <= changes) & (changes <= self.high)


def calibrate(
    mean: np.ndarray,
    spread: np.ndarray,
    residual: np.ndarray,
    shares: np.ndarray,
    levels: Sequence[float],
    num_bins: Sequence[int] = (10, 20),
) -> Calibration:
    """Find the ends that hold the changes of validation scans, in groups of voxels of similar spread and mean.

    Source: Vovk et al., ACML 2012 (https://arxiv.org/abs/1209.2673), without the correction for few data: there are many voxels.

    Args:
        mean: mean of the sampled maps, shape (V,).
        spread: their standard deviation, shape (V,).
        residual: change minus mean, shape (V,).
        shares: weight of each residual, shape (V,).
        levels: probabilities that the intervals are to hold the change.
        num_bins: groups of equally many voxels, ordered by spread, and inside each ordered by mean; fewer where values are equal.
    """
    spread_edges = _find_edges(spread, num_bins[0])
    groups = np.digitize(spread, spread_edges)
    mean_edges = np.stack([_find_edges(mean[groups == group], num_bins[1]) for group in range(num_bins[0])])
    cells = groups * num_bins[1] + _digitize(mean, groups, mean_edges)
    order = np.argsort(cells, kind="stable")
    bounds = np.searchsorted(cells[order], np.arange(num_bins[0] * num_bins[1] + 1))
    tails = [end for level in levels for end in ((1 - level) / 2, (1 + level) / 2)]
    ends = np.full((len(bounds) - 1, len(tails)), np.nan)
    for cell in np.unique(cells):
        members = order[bounds[cell] : bounds[cell + 1]]
        ends[cell] = np.quantile(residual[members], tails, weights=shares[members], method="inverted_cdf")
    found = ends.reshape(*num_bins, len(levels), 2)
    return Calibration(spread_edges, mean_edges, {level: found[..., i, :] for i, level in enumerate(levels)})


def make_intervals(maps: np.ndarray, levels: Sequence[float], calibration: Calibration | None) -> Iterator[Interval]:
    """Yield all intervals of a scan, at each level.

    Args:
        maps: sampled maps, shape (N, V).
        levels: probabilities that the intervals are to hold the change.
        calibration: of the third kind of interval; None leaves it out.
    """
    mean, spread = maps.mean(0), maps.std(0, ddof=1)
    ends = [end for level in levels for end in ((1 - level) / 2, (1 + level) / 2)]
    quantiles = np.quantile(maps, ends, axis=0)
    for position, level in enumerate(levels):
        width = norm.ppf((1 + level) / 2) * spread
        yield Interval("normal", level, mean - width, mean + width)
        yield Interval("quantile", level, quantiles[2 * position], quantiles[2 * position + 1])
        if calibration is not None:
            low, high = mean + calibration.find(mean, spread, level)
            yield Interval("calibrated", level, low, high)


def measure_coverage(interval: Interval, changes: np.ndarray, shares: np.ndarray) -> dict[str, float]:
    """Return how much of the true change an interval holds.

    Args:
        interval: the interval.
        changes: true changes that a scan may show, shape (M, V).
        shares: how often each occurs, shape (M,).

    Returns:
        By name, which ends in the level in %: `NAME_coverage`, the share of voxels whose change lies inside; `NAME_changed`, the
        same of the voxels that change, NaN without any; `NAME_width`, the mean width in network intensity.
    """
    inside, changed = interval.covers(changes), changes != 0
    weights = shares[:, None] * changed
    figures = {
        "coverage": float(shares @ inside.mean(1)),
        "changed": float((weights * inside).sum() / weights.sum()) if weights.any() else np.nan,
        "width": float((interval.high - interval.low).mean()),
    }
    return {f"{interval.name}_{figure}_{100 * interval.level:g}": value for figure, value in figures.items()}


def _find_edges(values: np.ndarray, num_bins: int) -> np.ndarray:
    """Return what separates groups of equally many values, shape (num_bins - 1,); none lies below minus infinity."""
    if not values.size:
        return np.full(num_bins - 1, -np.inf)
    edges = np.quantile(values, np.linspace(0, 1, num_bins + 1)[1:-1], method="higher")  # values, so no group between is empty
    return np.where(edges > values.min(), edges, -np.inf)


def _digitize(values: np.ndarray, groups: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the position of each value (V,) among the edges of its group, a row of `edges`."""
    positions = np.zeros(values.shape, int)
    for group, row in enumerate(edges):
        members = groups == group
        positions[members] = np.digitize(values[members], row)
    return positions
