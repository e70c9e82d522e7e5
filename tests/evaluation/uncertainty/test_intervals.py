import numpy as np
import pytest
from scipy.stats import norm

from bundle.evaluation.uncertainty.intervals import Interval, make_intervals, measure_coverage

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


def test_coverage_and_width_are_those_by_hand():
    interval = Interval("normal", 0.9, np.array([-1.0, -1, 0]), np.array([1.0, 1, 3]))
    changes = np.array([[0.0, 2, 1], [0, 0, 5]])
    assert measure_coverage(interval, changes, np.array([0.75, 0.25])) == {
        "normal_coverage_90": pytest.approx(0.75 * 2 / 3 + 0.25 * 2 / 3),
        "normal_changed_90": pytest.approx(0.75 / (0.75 * 2 + 0.25)),
        "normal_found_90": 0.0,
        "normal_false_90": 0.0,
        "normal_width_90": pytest.approx(7 / 3),
    }


def test_intervals_that_exclude_zero_are_counted_apart_where_something_changes_and_where_not():
    interval = Interval("normal", 0.9, np.array([0.5, -2.0, -1, 0.1]), np.array([1.0, -1, 1, 0.2]))
    figures = measure_coverage(interval, np.array([[1.0, 0, 1, 0]]), np.ones(1))
    assert figures["normal_found_90"] == 0.5 and figures["normal_false_90"] == 1.0


def test_without_a_change_there_is_no_coverage_of_changed_voxels():
    interval = Interval("normal", 0.5, -np.ones(3), np.ones(3))
    assert np.isnan(measure_coverage(interval, np.zeros((1, 3)), np.ones(1))["normal_changed_50"])


def test_without_a_calibration_there_are_two_kinds_of_interval():
    names = {interval.name for interval in make_intervals(np.random.default_rng(0).random((5, 3)), LEVELS, None)}
    assert names == {"normal", "quantile"}
