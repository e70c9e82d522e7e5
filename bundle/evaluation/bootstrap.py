"""Figures over scans with bootstrap intervals.

A figure that is no plain mean is written as a function of a weight for each scan. Weights of one give the figure itself; the
numbers of times that a resample draws each scan give its bootstrap distribution, thousands of resamples at once. That is why
these figures are written by hand: SciPy and scikit-learn take one resample at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

Weighted = Callable[[np.ndarray], np.ndarray]  # weights of shape (R, N) to figures of shape (R,)


@dataclass(frozen=True)
class Bootstrap:
    """Percentile bootstrap over scans; equal input gives equal output.

    Source: Efron, Ann. Statist. 1979 (https://doi.org/10.1214/aos/1176344552).

    Args:
        level: probability that an interval covers its figure, in (0, 1).
        num_resamples: resamples with replacement.
        seed: seed of the resampling.

    Raises:
        ValueError: When `level` is not in (0, 1) or `num_resamples` is below 1.
    """

    level: float = 0.95
    num_resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {self.level}")
        if self.num_resamples < 1:
            raise ValueError(f"num_resamples must be at least 1, got {self.num_resamples}")

    def describe(self) -> dict[str, Any]:
        """Return the settings, for `settings.json`."""
        return asdict(self)

    def find_interval(self, values: Sequence[float] | np.ndarray) -> tuple[float, float]:
        """Return the interval of the mean of values (N,), NaN left out; NaN with fewer than two values."""
        kept = np.asarray(values, dtype=np.float64)
        kept = kept[~np.isnan(kept)]
        if kept.size < 2:
            return float("nan"), float("nan")
        settings = {"confidence_level": self.level, "n_resamples": self.num_resamples, "method": "percentile"}
        interval = stats.bootstrap((kept,), np.mean, rng=np.random.default_rng(self.seed), **settings).confidence_interval
        return float(interval.low), float(interval.high)

    def estimate(self, figure: Weighted, count: int, strata: np.ndarray | None = None) -> dict[str, float]:
        """Return a figure with its interval.

        Args:
            figure: weights of shape (R, N) to figures of shape (R,).
            count: number of scans, N.
            strata: group of each scan, shape (N,); each group is resampled for itself. None for one group.

        Returns:
            `mean` (the figure), `ci_low`, `ci_high` (NaN with fewer than two scans) and `n`. Resamples without a figure are
            left out.
        """
        if not count:
            return {"mean": np.nan, "ci_low": np.nan, "ci_high": np.nan, "n": 0}
        draws = figure(self._resample(np.zeros(count) if strata is None else strata))
        draws = draws[~np.isnan(draws)]
        low, high = self.find_range(draws) if count > 1 and draws.size else (np.nan, np.nan)
        return {"mean": float(figure(np.ones((1, count)))[0]), "ci_low": low, "ci_high": high, "n": count}

    def find_range(self, draws: np.ndarray) -> tuple[float, float]:
        """Return the range in which the middle ones of some draws lie, as many as `level` says."""
        low, high = np.quantile(draws, ((1 - self.level) / 2, (1 + self.level) / 2))
        return float(low), float(high)

    def _resample(self, strata: np.ndarray) -> np.ndarray:
        """Return how often each resample draws each scan, shape (R, N)."""
        generator = np.random.default_rng(self.seed)
        weights = np.zeros((self.num_resamples, len(strata)))
        for stratum in np.unique(strata):
            members = np.flatnonzero(strata == stratum)
            shares = np.full(len(members), 1 / len(members))
            weights[:, members] = generator.multinomial(len(members), shares, size=self.num_resamples)
        return weights


def mean_of(values: np.ndarray) -> Weighted:
    """Return the mean of values (N,) as a function of weights."""
    return lambda weights: weights @ values / weights.sum(1)


def correlation(first: np.ndarray, second: np.ndarray) -> Weighted:
    """Return Pearson's correlation of values (N,) and (N,) as a function of weights; NaN where one of the two does not vary."""

    def figure(weights: np.ndarray) -> np.ndarray:
        """Return the correlation for each row of weights (R, N), shape (R,)."""
        shares = weights / weights.sum(1, keepdims=True)
        deviations = [values - (shares @ values)[:, None] for values in (first, second)]  # (R, N) each
        products = [(shares * one * other).sum(1) for one, other in [deviations, deviations[:1] * 2, deviations[1:] * 2]]
        spread = np.sqrt(np.maximum(products[1], 0) * np.maximum(products[2], 0))
        noise = 1e-9 * max(np.abs(first).max(), 1e-300) * max(np.abs(second).max(), 1e-300)  # of rounding, in constant values
        return divide(products[0], np.where(spread > noise, spread, 0))

    return figure


def ratio_of_means(values: np.ndarray, above: np.ndarray) -> Weighted:
    """Return the mean of the values (N,) marked in `above` (N,) over the mean of the others as a function of weights."""

    def figure(weights: np.ndarray) -> np.ndarray:
        means = [divide(weights[:, part] @ values[part], weights[:, part].sum(1)) for part in (above, ~above)]
        return divide(*means)

    return figure


def ratio_of_sums(above: np.ndarray, below: np.ndarray) -> Weighted:
    """Return the sum of one quantity (N,) over that of another (N,) as a function of weights."""
    return lambda weights: divide(weights @ above, weights @ below)


def determination(values: np.ndarray, predicted: np.ndarray) -> Weighted:
    """Return R^2 of predicted values (N,), one less the mean squared error over the variance, as a function of weights."""

    def figure(weights: np.ndarray) -> np.ndarray:
        shares = weights / weights.sum(1, keepdims=True)
        variance = (shares * (values - (shares @ values)[:, None]) ** 2).sum(1)
        return 1 - divide(shares @ (values - predicted) ** 2, variance)

    return figure


def divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the ratio, NaN where the denominator is zero."""
    return np.divide(numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator != 0)
