"""Figures over scans that are no plain means, with bootstrap intervals.

Every figure is written with a weight for each scan. Weights of one give the figure itself; the numbers of times that a resample
draws each scan give its bootstrap distribution, thousands of resamples at once.
"""

from collections.abc import Callable

import numpy as np

Weighted = Callable[[np.ndarray], np.ndarray]  # weights of shape (R, N) to figures of shape (R,)


def estimate(
    figure: Weighted,
    count: int,
    strata: np.ndarray | None = None,
    level: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, float]:
    """Return a figure with its percentile bootstrap interval.

    Source: Efron, Ann. Statist. 1979 (https://doi.org/10.1214/aos/1176344552).

    Args:
        figure: weights of shape (R, N) to figures of shape (R,).
        count: number of scans, N.
        strata: group of each scan, shape (N,); each group is resampled for itself. None for one group.
        level: probability that the interval is to cover, in (0, 1).
        num_resamples: resamples with replacement.
        seed: of the resampling; equal input gives equal output.

    Returns:
        `mean` (the figure), `ci_low`, `ci_high` (NaN with fewer than two scans) and `n`. Resamples without a figure are left out.
    """
    if not count:
        return {"mean": np.nan, "ci_low": np.nan, "ci_high": np.nan, "n": 0}
    draws = figure(_resample(np.zeros(count) if strata is None else strata, num_resamples, seed))
    draws = draws[~np.isnan(draws)]
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]) if count > 1 and draws.size else (np.nan, np.nan)
    return {"mean": float(figure(np.ones((1, count)))[0]), "ci_low": float(low), "ci_high": float(high), "n": count}


def correlation(first: np.ndarray, second: np.ndarray) -> Weighted:
    """Return Pearson's correlation as a function of weights; NaN where one of the two does not vary.

    Args:
        first: values, shape (N,).
        second: values, shape (N,).
    """

    def figure(weights: np.ndarray) -> np.ndarray:
        """Return the correlation under each row of weights, shape (R,); NaN where values are constant."""
        shares = weights / weights.sum(1, keepdims=True)
        deviations = [values - (shares @ values)[:, None] for values in (first, second)]  # (R, N) each
        products = [(shares * one * other).sum(1) for one, other in [deviations, deviations[:1] * 2, deviations[1:] * 2]]
        spread = np.sqrt(np.maximum(products[1], 0) * np.maximum(products[2], 0))
        noise = 1e-9 * max(np.abs(first).max(), 1e-300) * max(np.abs(second).max(), 1e-300)  # of rounding, in constant values
        return divide(products[0], np.where(spread > noise, spread, 0))

    return figure


def mean_of(values: np.ndarray) -> Weighted:
    """Return the mean of values (N,) as a function of weights."""
    return lambda weights: weights @ values / weights.sum(1)


def ratio_of_means(values: np.ndarray, above: np.ndarray) -> Weighted:
    """Return the mean of the values marked in `above` over the mean of the others as a function of weights.

    Args:
        values: values, shape (N,).
        above: whether a value counts above the fraction line, shape (N,).
    """

    def figure(weights: np.ndarray) -> np.ndarray:
        means = [divide(weights[:, part] @ values[part], weights[:, part].sum(1)) for part in (above, ~above)]
        return divide(*means)

    return figure


def ratio_of_sums(above: np.ndarray, below: np.ndarray) -> Weighted:
    """Return the sum of one quantity (N,) over that of another (N,) as a function of weights."""
    return lambda weights: divide(weights @ above, weights @ below)


def determination(values: np.ndarray, predicted: np.ndarray) -> Weighted:
    """Return R^2, one less the mean squared error over the variance, as a function of weights.

    Args:
        values: true values, shape (N,).
        predicted: predicted values, shape (N,).
    """

    def figure(weights: np.ndarray) -> np.ndarray:
        shares = weights / weights.sum(1, keepdims=True)
        variance = (shares * (values - (shares @ values)[:, None]) ** 2).sum(1)
        return 1 - divide(shares @ (values - predicted) ** 2, variance)

    return figure


def divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return the ratio, NaN where the denominator is zero."""
    return np.divide(numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator != 0)


def _resample(strata: np.ndarray, num_resamples: int, seed: int) -> np.ndarray:
    """Return how often each resample draws each scan, shape (R, N)."""
    generator = np.random.default_rng(seed)
    weights = np.zeros((num_resamples, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        weights[:, members] = generator.multinomial(len(members), np.full(len(members), 1 / len(members)), size=num_resamples)
    return weights
