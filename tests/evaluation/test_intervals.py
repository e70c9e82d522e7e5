import numpy as np
import pytest
from scipy.stats import norm

from bundle.evaluation.intervals import Interval, calibrate, make_intervals, measure_coverage

LEVELS = (0.5, 0.8, 0.9, 0.95)


def coverages(maps, changes, calibration=None) -> dict[str, float]:
    figures: dict[str, float] = {}
    for interval in make_intervals(maps, LEVELS, calibration):
        figures |= measure_coverage(interval, changes, np.ones(1))
    return figures


def test_a_normal_change_whose_spread_is_known_is_held_as_often_as_promised():
    random = np.random.default_rng(0)
    scale = random.uniform(0.1, 2, 4000)
    figures = coverages(scale * random.standard_normal((400, 4000)), scale * random.standard_normal((1, 4000)))
    for level in LEVELS:
        for name in ("normal", "quantile"):
            assert figures[f"{name}_coverage_{100 * level:g}"] == pytest.approx(level, abs=0.02)
            assert figures[f"{name}_width_{100 * level:g}"] == pytest.approx(
                2 * norm.ppf((1 + level) / 2) * scale.mean(), rel=0.02
            )


def test_calibration_repairs_a_spread_that_is_too_small_in_every_group():
    random = np.random.default_rng(0)
    spread = np.repeat([0.1, 1.0], 20_000)
    residual = np.where(spread < 0.5, 0.5, 3.0) * random.standard_normal(40_000)
    calibration = calibrate(np.zeros(40_000), spread, residual, np.ones(40_000), LEVELS, (2, 1))
    for level in LEVELS:
        expected = norm.ppf((1 + level) / 2) * np.array([[-0.5, -3.0], [0.5, 3.0]])
        np.testing.assert_allclose(calibration.find(np.zeros(2), np.array([0.1, 1.0]), level), expected, rtol=0.05)


def test_calibration_repairs_a_mean_that_is_too_small_where_it_is_strong():
    mean = np.random.default_rng(0).standard_normal(40_000)
    residual = np.where(mean > 0, mean, 0)  # of every change above zero a half is shown
    calibration = calibrate(mean, np.ones(40_000), residual, np.ones(40_000), LEVELS, (1, 100))
    low, high = calibration.find(np.array([-1.0, 1.0]), np.ones(2), 0.95)
    np.testing.assert_allclose([low, high], [[0, 1], [0, 1]], atol=0.05)


def test_calibrated_intervals_hold_in_every_group_what_they_promise():
    random = np.random.default_rng(0)
    mean, spread = random.standard_normal(40_000), random.uniform(0.1, 2, 40_000)
    residual = random.gamma(1 + np.abs(mean), spread) - mean
    calibration = calibrate(mean, spread, residual, np.ones(40_000), LEVELS, (4, 5))
    for level in LEVELS:
        low, high = calibration.find(mean, spread, level)
        held = (low <= residual) & (residual <= high)
        for quarter in np.array_split(np.argsort(spread), 4):
            assert held[quarter].mean() == pytest.approx(level, abs=0.01)


def test_values_beyond_those_of_the_calibration_have_an_interval():
    mean, spread = np.repeat([0.0, 1, 1, 1], 25), np.repeat([0.0, 0, 1, 1], 25)
    calibration = calibrate(mean, spread, np.arange(100.0), np.ones(100), (0.5,), (10, 20))
    assert np.isfinite(calibration.find(np.array([-9.0, 0.5, 9]), np.array([-9.0, 0.5, 9]), 0.5)).all()


def test_calibration_weighs_residuals_by_their_shares():
    residual, shares = np.array([1.0, 2.0]), np.array([0.9, 0.1])
    calibration = calibrate(np.zeros(2), np.ones(2), residual, shares, (0.5, 0.95), (10, 20))
    ends = [calibration.find(np.zeros(1), np.ones(1), level).ravel().tolist() for level in (0.5, 0.95)]
    assert ends == [[1, 1], [1, 2]]


def test_a_spread_of_zero_everywhere_is_one_group():
    calibration = calibrate(np.zeros(100), np.zeros(100), np.arange(100.0), np.ones(100), (0.5,), (10, 20))
    assert calibration.find(np.zeros(1), np.zeros(1), 0.5).ravel().tolist() == [24, 74]


def test_coverage_and_width_are_those_by_hand():
    interval = Interval("normal", 0.9, np.array([-1.0, -1, 0]), np.array([1.0, 1, 3]))
    changes = np.array([[0.0, 2, 1], [0, 0, 5]])
    assert measure_coverage(interval, changes, np.array([0.75, 0.25])) == {
        "normal_coverage_90": pytest.approx(0.75 * 2 / 3 + 0.25 * 2 / 3),
        "normal_changed_90": pytest.approx(0.75 / (0.75 * 2 + 0.25)),
        "normal_width_90": pytest.approx(7 / 3),
    }


def test_without_a_change_there_is_no_coverage_of_changed_voxels():
    interval = Interval("normal", 0.5, -np.ones(3), np.ones(3))
    assert np.isnan(measure_coverage(interval, np.zeros((1, 3)), np.ones(1))["normal_changed_50"])


def test_without_a_calibration_there_are_two_kinds_of_interval():
    names = {interval.name for interval in make_intervals(np.random.default_rng(0).random((5, 3)), LEVELS, None)}
    assert names == {"normal", "quantile"}
