"""Standardised quantities."""

import pytest

from bundle.data import StandardiseValued


def test_mean_becomes_zero_and_scale_one() -> None:
    standardise = StandardiseValued("age", mean=60.0, scale=10.0)
    assert standardise({"age": 60.0})["value"] == 0
    assert standardise({"age": 75})["value"] == 1.5


def test_a_scan_without_the_quantity_has_no_value_where_that_is_allowed() -> None:
    assert "value" not in StandardiseValued("age", 60.0, 10.0, allow_missing_keys=True)({"label": 1})
    with pytest.raises(KeyError, match="age"):
        StandardiseValued("age", 60.0, 10.0)({"label": 1})


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="a scale above 0 are accepted, got the keys .* and the scale 0"):
        StandardiseValued("age", 60.0, 0.0)
