"""Colours and where they end."""

import numpy as np
import pytest

from bundle.viewer.colours import colour_signed, count_magnitudes, find_limit, list_colours


def test_the_limit_is_the_quantile_over_all_images_without_zeros() -> None:
    random = np.random.default_rng(0)
    images = [random.normal(0, scale, 20_000) for scale in (0.01, 0.1)] + [np.zeros(100_000)]
    exact = np.quantile(np.abs(np.concatenate(images[:2])), 0.999)
    assert exact <= find_limit(map(count_magnitudes, images)) <= 1.06 * exact  # bins of 1.2 %, and two digits


def test_the_limit_has_two_digits() -> None:
    assert find_limit([count_magnitudes(np.array([0.1234]))]) == 0.13


@pytest.mark.parametrize("images", [[], [np.zeros(5)]])
def test_maps_that_are_zero_have_a_limit_all_the_same(images: list[np.ndarray]) -> None:
    assert find_limit(map(count_magnitudes, images)) == 1.0


def test_positive_is_red_and_negative_is_blue() -> None:
    red, blue = colour_signed(np.array([0.5, -0.5]), 1.0)
    assert red[0] > 2 * red[2] and blue[2] > 2 * blue[0]


def test_each_kind_of_map_has_colours() -> None:
    colours = list_colours()
    assert set(colours) == {"signed", "spread", "grey"}
    assert all(set(scale) == {"high", "low", "positive", "negative"} for scale in colours["signed"].values())


def _see(colour: list[int], missing: np.ndarray) -> np.ndarray:
    """Return a colour as people without a kind of cones see it, linear RGB (Viénot et al. 1999, doi.org/fp3ks6)."""
    return missing @ (np.array(colour) / 255) ** 2.2


WITHOUT_RED = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])
WITHOUT_GREEN = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])


@pytest.mark.parametrize("missing", [np.eye(3), WITHOUT_RED, WITHOUT_GREEN])
def test_signs_are_told_apart_by_all_eyes(missing: np.ndarray) -> None:
    for scale in list_colours()["signed"].values():
        for positive, negative in zip(scale["positive"], scale["negative"], strict=True):
            warm, cold = _see(positive, missing), _see(negative, missing)
            assert warm[2] < warm[0] and cold[2] > cold[0]  # yellow against blue
