"""What can be laid over a scan."""

import numpy as np
import pytest
from tiny_results import make_row

from bundle.viewer.layers import make_layers

ONE = np.ones((2, 2, 2), dtype=np.float32)


def test_the_mean_map_is_first_and_names_its_direction() -> None:
    layers = make_layers({"translated": ONE, "fa_mean": ONE}, make_row("a", "a.nii"), ["healthy", "ill"])
    assert [layer.key for layer in layers] == ["fa_mean", "translated"]
    assert layers[0].title == "Mean map towards healthy"
    assert layers[0].text == "{high}: brighter when the scan is translated from ill to healthy. {low}: darker."
    assert layers[0].unit.startswith("network intensity") and layers[1].unit == "intensity of the scan"


def test_classes_without_names_have_numbers() -> None:
    assert make_layers({"fa_mean": ONE}, make_row("a", "a.nii"), [])[0].title == "Mean map towards class 0"


def test_the_spread_is_the_root_of_the_variance() -> None:
    layers = {layer.key: layer for layer in make_layers({"fa_mean": ONE, "fa_variance": 4 * ONE}, make_row("a", "a.nii"), [])}
    np.testing.assert_array_equal(layers["fa_std"].values, 2 * ONE)


def test_intervals_show_where_they_exclude_zero() -> None:
    low, high = ONE.copy(), 2 * ONE
    low[0] = -1.0
    images = {"fa_mean": 1.5 * ONE, "fa_low": low, "fa_high": high}
    layers = {layer.key: layer for layer in make_layers(images, make_row("a", "a.nii"), [])}
    np.testing.assert_array_equal(layers["fa_sure"].values[0], 0.0)
    np.testing.assert_array_equal(layers["fa_sure"].values[1], 1.5)


@pytest.mark.parametrize(("age", "words"), [(72.5, "72.5 years"), (None, "the target age")])
def test_a_map_towards_an_age_names_it(age: float | None, words: str) -> None:
    layers = make_layers({"fa_mean": ONE, "fa_value": ONE}, make_row("a", "a.nii"), [], age)
    assert layers[1].title == f"Map towards {words}"


def test_a_scan_that_is_translated_to_its_own_class_is_said_to_be() -> None:
    text = make_layers({"fa_mean": ONE}, make_row("a", "a.nii", target_class=1), ["healthy", "ill"])[0].text
    assert text.startswith("{high}: brighter when the scan is as ill.")
