"""Intervals for the change of every voxel, and how often they hold it.

Three intervals are made of the N sampled maps of a scan, each for a level p:

- `normal`: mean +- q s, with the standard deviation s over the samples and the quantile q of the normal distribution;
- `quantile`: from the (1 - p) / 2 to the (1 + p) / 2 quantile of the samples;
- `calibrated`: from the (1 - p) / 2 to the (1 + p) / 2 quantile of the true change over voxels of validation scans with a similar
  s and a similar mean: a split conformal prediction in groups, which are made of s and, inside those, of the mean.

The first two are too narrow where all translations are wrong in the same way. The third one is 0 alone where hardly any voxel of
a group changes, so that over the whole brain it holds more than its level. Its coverage is one over many scans, not of each.

Source: Vovk et al., ACML 2012, conditional (Mondrian) conformal prediction (https://arxiv.org/abs/1209.2673).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from bundle.attribution.conformal import Calibration

INTERVALS = ("normal", "quantile", "calibrated")


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


def make_intervals(maps: np.ndarray, levels: Sequence[float], calibration: Calibration | None) -> Iterator[Interval]:
    """Yield all intervals of a scan, from sampled maps (N, V), at each level; without a calibration not the third kind."""
    mean, spread = maps.mean(0), maps.std(0, ddof=1)
    ends = [end for level in levels for end in ((1 - level) / 2, (1 + level) / 2)]
    quantiles = np.quantile(maps, ends, axis=0)
    for position, level in enumerate(levels):
        width = norm.ppf((1 + level) / 2) * spread
        yield Interval("normal", level, mean - width, mean + width)
        yield Interval("quantile", level, quantiles[2 * position], quantiles[2 * position + 1])
        if calibration is not None:
            low, high = calibration.find(mean, spread, level)
            yield Interval("calibrated", level, low, high)


def measure_coverage(interval: Interval, changes: np.ndarray, shares: np.ndarray) -> dict[str, float]:
    """Return how much of the changes (M, V) that a scan may show, each with its share (M,), an interval holds.

    By name, which ends in the level in %: `NAME_coverage`, the share of voxels whose change lies inside; `NAME_changed`, the same
    of the voxels that change, NaN without any; `NAME_found` and `NAME_false`, the shares of the voxels that change, and of those
    that do not, whose interval excludes 0; `NAME_width`, the mean width in network intensity.
    """
    inside = (interval.low <= changes) & (changes <= interval.high)
    apart = (interval.low > 0) | (interval.high < 0)
    changed, others = (shares[:, None] * part for part in (changes != 0, changes == 0))
    figures = {
        "coverage": float(shares @ inside.mean(1)),
        "changed": _share(inside, changed),
        "found": _share(apart, changed),
        "false": _share(apart, others),
        "width": float((interval.high - interval.low).mean()),
    }
    return {f"{interval.name}_{figure}_{100 * interval.level:g}": value for figure, value in figures.items()}


def _share(marked: np.ndarray, weights: np.ndarray) -> float:
    """Return the weighted share of marked voxels; NaN without weights."""
    return float((weights * marked).sum() / weights.sum()) if weights.any() else np.nan
