"""Colours of maps."""

import numpy as np
import pytest

from bundle.viewer.colours import colour_signed, list_colours


def test_positive_is_red_and_negative_is_blue() -> None:
    red, blue = colour_signed(np.array([0.5, -0.5]), 1.0)
    assert red[0] > 2 * red[2] and blue[2] > 2 * blue[0]


def test_each_kind_of_map_has_colours() -> None:
    colours = list_colours()
    assert set(colours) == {"signed", "spread", "mask", "grey"}
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
