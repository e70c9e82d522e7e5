import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from bundle.evaluation.bootstrap import Bootstrap, correlation, determination, mean_of, ratio_of_means, ratio_of_sums

RANDOM = np.random.default_rng(0)
FIRST = RANDOM.normal(50, 10, 40)
SECOND = FIRST + RANDOM.normal(0, 5, 40)
ONES = np.ones((1, 40))
WEIGHTS = RANDOM.integers(0, 4, size=(3, 40))


def repeat(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.repeat(values, weights)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weighted_figures_are_those_of_repeated_scans(weights):
    first, second = repeat(FIRST, weights), repeat(SECOND, weights)
    assert correlation(FIRST, SECOND)(weights[None])[0] == pytest.approx(stats.pearsonr(first, second).statistic)
    assert determination(FIRST, SECOND)(weights[None])[0] == pytest.approx(metrics.r2_score(first, second))
    assert mean_of(FIRST)(weights[None])[0] == pytest.approx(first.mean())
    assert ratio_of_sums(FIRST, SECOND)(weights[None])[0] == pytest.approx(first.sum() / second.sum())


def test_ratio_of_means_is_that_of_the_marked_over_the_others():
    values, above = np.array([1.0, 3.0, 8.0]), np.array([True, True, False])
    assert ratio_of_means(values, above)(np.ones((1, 3)))[0] == 2 / 8
    assert math.isnan(ratio_of_means(values, ~above | above)(np.ones((1, 3)))[0])


def test_correlation_with_a_constant_is_undefined_even_when_its_mean_is_rounded():
    assert math.isnan(correlation(FIRST, np.full(40, 0.1))(ONES)[0])
    assert correlation(FIRST, 1e-6 * FIRST)(ONES)[0] == pytest.approx(1)
    assert correlation(FIRST, -FIRST)(ONES)[0] == pytest.approx(-1)


def test_interval_of_a_mean_is_the_closed_form_one():
    figures = Bootstrap(num_resamples=20000).estimate(mean_of(FIRST), 40)
    half = 1.96 * FIRST.std() / math.sqrt(40)
    assert figures["mean"] == pytest.approx(FIRST.mean()) and figures["n"] == 40
    assert (figures["ci_low"], figures["ci_high"]) == pytest.approx((FIRST.mean() - half, FIRST.mean() + half), abs=0.1)


def test_groups_are_resampled_for_themselves():
    values, above = np.array([2.0, 2.0, 4.0, 4.0]), np.array([True, True, False, False])
    figures = Bootstrap(num_resamples=100).estimate(ratio_of_means(values, above), 4, strata=above)
    assert figures["ci_low"] == figures["mean"] == figures["ci_high"] == 0.5  # no resample lacks a group


def test_figures_of_one_scan_have_no_interval_and_those_of_none_are_undefined():
    one, none = (Bootstrap().estimate(mean_of(FIRST[:count]), count) for count in (1, 0))
    assert one["mean"] == FIRST[0] and math.isnan(one["ci_low"])
    assert none["n"] == 0 and math.isnan(none["mean"])


def test_the_same_seed_gives_the_same_interval():
    first, second, other = (Bootstrap(0.95, 50, seed).estimate(mean_of(FIRST), 40) for seed in (1, 1, 2))
    assert first == second != other


def test_interval_of_many_normal_values_is_the_closed_form_one():
    values = np.random.default_rng(1).normal(3.0, 2.0, size=4000)
    half = 1.96 * values.std() / math.sqrt(values.size)
    low, high = Bootstrap().find_interval(values)
    assert low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(2).exponential(size=60)
    expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20000, rng=3).confidence_interval
    assert Bootstrap(num_resamples=20000).find_interval(values) == pytest.approx(tuple(expected), abs=0.01)


def test_interval_ignores_undefined_values_and_is_the_same_for_the_same_seed():
    values = np.array([0.1, np.nan, 0.5, 0.9])
    assert Bootstrap().find_interval(values) == Bootstrap().find_interval(values[~np.isnan(values)])
    assert Bootstrap(seed=0).find_interval(np.arange(50.0)) != Bootstrap(seed=1).find_interval(np.arange(50.0))


@pytest.mark.parametrize("values", [[], [0.5], [0.5, math.nan]])
def test_interval_of_fewer_than_two_values_is_undefined(values):
    assert all(math.isnan(end) for end in Bootstrap().find_interval(values))


@pytest.mark.parametrize(("arguments", "message"), [({"level": 95}, "level must lie"), ({"num_resamples": 0}, "num_resamples")])
def test_interval_with_an_impossible_setting_raises(arguments, message):
    with pytest.raises(ValueError, match=message):
        Bootstrap(**arguments)
