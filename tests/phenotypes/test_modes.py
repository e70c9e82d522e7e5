"""Modes of maps, against maps whose variation is known."""

import numpy as np
import pytest

from bundle.phenotypes import find_modes


def make_maps(count: int = 2000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return maps that depend on two of three numbers, the numbers, and the patterns."""
    random = np.random.default_rng(0)
    attributes = random.normal(size=(count, 3)) * [1.0, 1.0, 50.0] + [1, 2, 3]
    patterns = np.linalg.qr(random.normal(size=(30, 2)))[0].T * [[3.0], [1.0]]
    return attributes[:, :2] @ patterns, attributes, patterns


def test_modes_are_the_patterns_with_their_shares_whatever_the_attribute_varies_in_beside_them() -> None:
    maps, attributes, patterns = make_maps()
    modes = find_modes(maps, attributes, 4)
    assert modes.shares == pytest.approx([0.9, 0.1], abs=0.02)  # two, as maps vary in no other direction
    overlap = np.abs(modes.pca.components_ @ (patterns / np.linalg.norm(patterns, axis=1, keepdims=True)).T)
    np.testing.assert_allclose(overlap, np.eye(2), atol=0.1)


def test_scores_of_the_draws_are_standardised_and_those_of_a_pattern_by_hand() -> None:
    maps, attributes, patterns = make_maps()
    modes = find_modes(maps, attributes, 2)
    scores = modes.score(maps)
    np.testing.assert_allclose(scores.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(scores.std(0, ddof=1), 1)
    one = modes.score(maps.mean(0, keepdims=True) + 2 * patterns[:1])[0]
    assert abs(one[0]) == pytest.approx(2, abs=0.1) and abs(one[1]) < 0.3


def test_the_attribute_of_a_mode_is_the_one_that_draws_it() -> None:
    maps, attributes, patterns = make_maps(20_000)
    modes = find_modes(maps, attributes, 2)
    drawn = modes.score(modes.list_attributes(2.0)[:, :2] @ patterns)
    np.testing.assert_allclose(drawn, 2 * np.eye(2), atol=1e-6)


def test_maps_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(ValueError, match="there are no phenotypes"):
        find_modes(np.ones((5, 8)), np.random.default_rng(0).normal(size=(5, 3)), 2)
