"""Tests of maps against SciPy, least squares, and all permutations."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import orth

from bundle.group import Correction, run_test

NONE = np.zeros((8, 0))
FDR = Correction("fdr")


@pytest.fixture
def mask(spatial_dims: int) -> np.ndarray:
    """A mask that is not a box."""
    mask = np.ones((4, 5, 1) if spatial_dims == 2 else (3, 4, 3), bool)
    mask[0, :2] = False
    return mask


@pytest.fixture
def values(mask: np.ndarray) -> np.ndarray:
    """Eight maps, some voxels with an effect."""
    values = np.random.default_rng(0).normal(size=(8, int(mask.sum())))
    values[:, :3] += 1.5
    values[:4, 3:6] += 3
    return values


GROUPS = np.array([1.0, 1, 1, 1, 0, 0, 0, 0])


def test_a_mean_is_tested_as_scipy_does(values: np.ndarray, mask: np.ndarray) -> None:
    test, known = run_test(values, np.ones(8), NONE, FDR, mask), stats.ttest_1samp(values, 0)
    np.testing.assert_allclose(test.estimate, values.mean(axis=0))
    np.testing.assert_allclose(test.t, known.statistic)
    np.testing.assert_allclose(test.effect_size, values.mean(axis=0) / values.std(axis=0, ddof=1))
    np.testing.assert_allclose(10**-test.logp, stats.false_discovery_control(known.pvalue))
    assert test.degrees_of_freedom == 7


def test_groups_are_compared_as_scipy_does(values: np.ndarray, mask: np.ndarray) -> None:
    test, (first, second) = run_test(values, GROUPS, NONE, FDR, mask), (values[:4], values[4:])
    known = stats.ttest_ind(first, second)
    pooled = np.sqrt((first.var(axis=0, ddof=1) + second.var(axis=0, ddof=1)) / 2)
    np.testing.assert_allclose(test.estimate, first.mean(axis=0) - second.mean(axis=0))
    np.testing.assert_allclose(test.t, known.statistic)
    np.testing.assert_allclose(test.effect_size, test.estimate / pooled)
    np.testing.assert_allclose(10**-test.logp, stats.false_discovery_control(known.pvalue))
    np.testing.assert_array_equal(test.significant, stats.false_discovery_control(known.pvalue) <= 0.05)


@pytest.mark.parametrize("tested", [np.ones(8), GROUPS], ids=["mean", "groups"])
def test_covariates_are_accounted_for_as_least_squares_does(tested: np.ndarray, values: np.ndarray, mask: np.ndarray) -> None:
    raw = np.random.default_rng(1).normal(size=(8, 2))
    raw -= raw.mean(axis=0)
    design = np.column_stack([tested, raw] if tested.all() else [tested, raw, np.ones(8)])
    known, squares, *_ = np.linalg.lstsq(design, values, rcond=None)
    degrees = 8 - design.shape[1]
    spread = np.sqrt(squares / degrees)
    test = run_test(values, tested, orth(raw), FDR, mask)
    np.testing.assert_allclose(test.estimate, known[0])
    np.testing.assert_allclose(test.t, known[0] / spread / np.sqrt(np.linalg.inv(design.T @ design)[0, 0]))
    np.testing.assert_allclose(test.effect_size, known[0] / spread)
    assert test.degrees_of_freedom == degrees


@pytest.mark.parametrize("tested", [np.ones(8), GROUPS], ids=["mean", "groups"])
def test_the_largest_t_of_random_permutations_has_the_distribution_of_all(
    tested: np.ndarray, values: np.ndarray, mask: np.ndarray
) -> None:
    if tested.all():
        everything = [stats.ttest_1samp(values * np.array(signs)[:, None], 0).statistic for signs in product([1, -1], repeat=8)]
    else:
        halves = [np.isin(np.arange(8), first) for first in combinations(range(8), 4)]
        everything = [stats.ttest_ind(values[half], values[~half]).statistic for half in halves]
    largest = np.abs(everything).max(axis=1)
    test = run_test(values, tested, NONE, Correction("max_t", 2000), mask)
    exact = (largest[:, None] >= np.abs(test.t) - 1e-9).mean(axis=0)
    error = 4 * np.sqrt(exact * (1 - exact) / 2000) + 2 / 2000 + 2 / len(everything)  # the last: ties by rounding
    assert (np.abs(10**-test.logp - exact) <= error).all()


def test_a_seed_fixes_the_permutations(values: np.ndarray, mask: np.ndarray) -> None:
    first, again, other = (run_test(values, GROUPS, NONE, Correction("max_t", 50, seed=seed), mask).logp for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_tfce_finds_a_wide_effect_and_not_all_of_the_rest() -> None:
    mask = np.ones((9, 9, 1), bool)
    values = np.random.default_rng(0).normal(size=(10, 81)).reshape(10, 9, 9)
    values[:, 2:6, 2:6] += 2
    test = run_test(values.reshape(10, 81), np.ones(10), np.zeros((10, 0)), Correction("tfce", 99), mask)
    found = test.significant.reshape(9, 9)
    assert found[2:6, 2:6].mean() > 0.9 and found.mean() < 0.5


def test_voxels_without_spread_are_not_significant(values: np.ndarray, mask: np.ndarray) -> None:
    values[:, 0], values[:, 1] = 0, 0.25
    test = run_test(values, np.ones(8), NONE, Correction("max_t", 50), mask)
    assert not test.significant[:2].any() and (test.t[:2] == 0).all() and np.isfinite(test.t).all()
    assert test.estimate[1] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("counts", "least"),
    [({"scans": 4}, 2 / 16), ({"a": 3, "b": 3}, 2 / 20), ({"a": 2, "b": 3}, 1 / 10), ({"scans": 99}, 1 / 101)],
)
def test_the_least_p_value_follows_from_the_number_of_permutations(counts: dict[str, int], least: float) -> None:
    assert Correction("max_t", 100).find_least(counts) == pytest.approx(least)
    assert FDR.find_least(counts) == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "bonferroni"}, "correction must be one of fdr, max_t, tfce, got bonferroni"),
        ({"alpha": 5}, "alpha must be above 0 and below 1, got 5"),
        ({"num_permutations": 10}, "num_permutations must be at least 19 for alpha = 0.05, got 10"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Correction(**settings)
