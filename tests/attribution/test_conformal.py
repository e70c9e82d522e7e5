from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm

from bundle.attribution.conformal import Calibration, ConformalIntervals, calibrate, load_intervals, save_calibrations

LEVELS = (0.5, 0.8, 0.9, 0.95)
ORIGIN = {"weights": "SHA-256 1", "num_samples": 50}


@pytest.fixture
def calibration() -> Calibration:
    random = np.random.default_rng(0)
    mean, spread = random.standard_normal(4000), random.uniform(0.1, 2, 4000)
    return calibrate(mean, spread, random.standard_normal(4000) * spread, np.ones(4000), LEVELS, (4, 5))


def test_calibration_repairs_a_spread_that_is_too_small_in_every_group():
    random = np.random.default_rng(0)
    spread = np.repeat([0.1, 1.0], 20_000)
    change = np.where(spread < 0.5, 0.5, 3.0) * random.standard_normal(40_000)
    calibration = calibrate(np.zeros(40_000), spread, change, np.ones(40_000), LEVELS, (2, 1))
    for level in LEVELS:
        expected = norm.ppf((1 + level) / 2) * np.array([[-0.5, -3.0], [0.5, 3.0]])
        np.testing.assert_allclose(calibration.find(np.zeros(2), np.array([0.1, 1.0]), level), expected, rtol=0.05)


def test_calibration_repairs_a_mean_that_is_too_small_where_it_is_strong():
    mean = np.random.default_rng(0).standard_normal(40_000)
    change = np.where(mean > 0, 2 * mean, 0)  # of every change a half is shown
    calibration = calibrate(mean, np.ones(40_000), change, np.ones(40_000), LEVELS, (1, 100))
    low, high = calibration.find(np.array([-1.0, 1.0]), np.ones(2), 0.95)
    np.testing.assert_allclose([low, high], [[0, 2], [0, 2]], atol=0.1)


def test_where_nothing_changes_the_interval_is_zero_whatever_little_the_map_says():
    random = np.random.default_rng(0)
    mean = np.concatenate([random.normal(0, 0.01, 9000), random.normal(1, 0.1, 1000)])
    change = np.where(mean > 0.5, 1.5, 0)
    calibration = calibrate(mean, np.ones(10_000), change, np.ones(10_000), LEVELS, (1, 20))
    ends = calibration.find(np.array([0.01, -0.02, 1.1]), np.ones(3), 0.9)
    np.testing.assert_allclose(ends, [[0, 0, 1.5], [0, 0, 1.5]])


def test_calibrated_intervals_hold_in_every_group_what_they_promise():
    random = np.random.default_rng(0)
    mean, spread = random.standard_normal(40_000), random.uniform(0.1, 2, 40_000)
    change = random.gamma(1 + np.abs(mean), spread)
    calibration = calibrate(mean, spread, change, np.ones(40_000), LEVELS, (4, 5))
    for level in LEVELS:
        low, high = calibration.find(mean, spread, level)
        held = (low <= change) & (change <= high)
        for quarter in np.array_split(np.argsort(spread), 4):
            assert held[quarter].mean() == pytest.approx(level, abs=0.01)


def test_values_beyond_those_of_the_calibration_have_an_interval():
    mean, spread = np.repeat([0.0, 1, 1, 1], 25), np.repeat([0.0, 0, 1, 1], 25)
    calibration = calibrate(mean, spread, np.arange(100.0), np.ones(100), (0.5,), (10, 20))
    assert np.isfinite(calibration.find(np.array([-9.0, 0.5, 9]), np.array([-9.0, 0.5, 9]), 0.5)).all()


def test_calibration_weighs_changes_by_their_shares():
    change, shares = np.array([1.0, 2.0]), np.array([0.9, 0.1])
    calibration = calibrate(np.zeros(2), np.ones(2), change, shares, (0.5, 0.95), (10, 20))
    ends = [calibration.find(np.zeros(1), np.ones(1), level).ravel().tolist() for level in (0.5, 0.95)]
    assert ends == [[1, 1], [1, 2]]


def test_a_spread_of_zero_everywhere_is_one_group():
    calibration = calibrate(np.zeros(100), np.zeros(100), np.arange(100.0), np.ones(100), (0.5,), (10, 20))
    assert calibration.find(np.zeros(1), np.zeros(1), 0.5).ravel().tolist() == [24, 74]


def test_intervals_are_the_same_after_they_were_saved(tmp_path: Path, calibration: Calibration) -> None:
    save_calibrations(tmp_path / "calibration.pt", {1: calibration}, ORIGIN)
    intervals = load_intervals(tmp_path / "calibration.pt", 0.8)
    intervals.check(ORIGIN, [1])
    mean, spread = np.linspace(-1, 1, 9), np.linspace(0, 2, 9)
    assert (intervals.calibrations[1].find(mean, spread, 0.8) == calibration.find(mean, spread, 0.8)).all()


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_intervals_of_a_batch_are_those_of_each_voxel_by_its_class(spatial_dims: int, calibration: Calibration) -> None:
    other = calibration._replace(ends={level: ends + 3 for level, ends in calibration.ends.items()})
    intervals = ConformalIntervals({0: calibration, 1: other}, 0.9, ORIGIN)
    mean, variance = torch.randn(2, 1, *[4] * spatial_dims), torch.rand(2, 1, *[4] * spatial_dims)
    inside = torch.rand_like(mean) > 0.5
    low, high = intervals.find(mean, variance, torch.tensor([1, 0]), inside)
    for index, each in enumerate((other, calibration)):
        chosen = inside[index]
        values = (image[index][chosen].double().numpy() for image in (mean, variance.sqrt()))
        ends = torch.from_numpy(each.find(*values, 0.9)).float()
        torch.testing.assert_close(low[index][chosen], ends[0])
        torch.testing.assert_close(high[index][chosen], ends[1])
    assert not low[~inside].any() and not high[~inside].any()


def test_other_maps_than_those_of_the_calibration_are_refused(calibration: Calibration) -> None:
    intervals = ConformalIntervals({1: calibration}, 0.9, ORIGIN)
    with pytest.raises(ValueError, match="the calibration is of num_samples 50, and here it is 20: give the calibration.pt of"):
        intervals.check(ORIGIN | {"num_samples": 20}, [1])
    with pytest.raises(ValueError, match="the calibration holds no change towards class 0"):
        intervals.check(ORIGIN, [0, 1])
    with pytest.raises(ValueError, match="interval_level must be one of 0.5, 0.8, 0.9, 0.95, as in the calibration, got 0.99"):
        ConformalIntervals({1: calibration}, 0.99, ORIGIN)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    assert load_intervals(None) is None
    for level in (5, 0, 1, "high"):
        with pytest.raises(ValueError, match="interval_level must be a probability above 0 and below 1, got"):
            load_intervals(None, level)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="calibration .*absent.pt does not exist: give the calibration.pt of"):
        load_intervals(tmp_path / "absent.pt")
    torch.save({"model": {}}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="model.pt holds no calibration"):
        load_intervals(tmp_path / "model.pt")
