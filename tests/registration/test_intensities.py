import numpy as np
import pytest

from bundle.registration.intensities import estimate_ratio

SHAPE = (30, 36, 28)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
PLACES = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in SHAPE), indexing="ij"))
INSIDE = (PLACES**2).sum(0) < 0.9
FIELD = 1.2 * np.exp(0.1 * np.sin(1.5 * PLACES[0]) + 0.05 * PLACES[1])
EARLIER = np.random.default_rng(0).choice([300.0, 600.0, 900.0], SHAPE)


def make_later(noise: float = 0.0) -> np.ndarray:
    return EARLIER * FIELD + noise * np.random.default_rng(1).standard_normal(SHAPE)


@pytest.mark.parametrize("noise", [0.0, 20.0])
def test_smooth_ratio_is_found(noise: float) -> None:
    ratio = estimate_ratio(EARLIER, make_later(noise), INSIDE, AFFINE, sigma=25.0)
    assert np.abs(ratio / FIELD - 1)[INSIDE].max() < 0.02
    assert np.abs(ratio / FIELD - 1)[INSIDE].mean() < 0.005


def test_change_of_the_anatomy_is_not_taken_for_a_bias_field() -> None:
    later = make_later(20.0)
    changed = (PLACES**2).sum(0) < 0.1
    later[changed] *= 0.4
    ratio = estimate_ratio(EARLIER, later, INSIDE, AFFINE, sigma=25.0)
    assert np.abs(ratio / FIELD - 1)[INSIDE].max() < 0.03


def test_ratio_of_swapped_scans_is_the_inverse() -> None:
    later = make_later(20.0)
    there, back = (estimate_ratio(*scans, INSIDE, AFFINE, sigma=25.0) for scans in ((EARLIER, later), (later, EARLIER)))
    np.testing.assert_allclose(there * back, 1, rtol=1e-9)


def test_without_a_bias_field_there_is_one_gain() -> None:
    ratio = estimate_ratio(EARLIER, 0.8 * EARLIER, INSIDE, AFFINE, sigma=None)
    np.testing.assert_allclose(ratio, 0.8)


def test_what_is_outside_has_no_influence() -> None:
    later = make_later()
    expected = estimate_ratio(EARLIER, later, INSIDE, AFFINE, sigma=25.0)
    np.testing.assert_array_equal(estimate_ratio(EARLIER, np.where(INSIDE, later, 9e3), INSIDE, AFFINE, 25.0), expected)


def test_scans_with_negative_intensities_are_refused() -> None:
    with pytest.raises(ValueError, match="accepted are scans without negative intensities"):
        estimate_ratio(EARLIER - 700, EARLIER - 700, INSIDE, AFFINE, sigma=25.0)
