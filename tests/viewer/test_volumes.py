"""Volumes inside a page."""

import base64
import gzip

import nibabel
import numpy as np
import pytest

from bundle.viewer.volumes import pack_bytes, pack_map, pack_scan

AFFINE = np.diag([2.0, 1.5, 3.0, 1.0])


def unpack(text: str) -> nibabel.Nifti1Image:
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text)))


@pytest.mark.parametrize(("largest", "kind"), [(0.05, np.int8), (0.4, np.int16), (300.0, np.int16)])
def test_a_map_is_kept_within_half_a_step(largest: float, kind: type) -> None:
    values = largest * np.random.default_rng(0).uniform(-1, 1, (5, 6, 7)).astype(np.float32)
    values[0, 0, 0] = largest
    packed = pack_map(values, AFFINE, limit=0.2)
    image = unpack(packed.text)
    assert image.get_data_dtype() == kind
    np.testing.assert_allclose(image.get_fdata(), values, atol=0.501 * packed.step)
    np.testing.assert_array_equal(image.affine, AFFINE)


@pytest.mark.parametrize(("limit", "step"), [(0.2, 0.001), (0.38, 0.001), (0.41, 0.002), (1.0, 0.005), (7.0, 0.02)])
def test_steps_are_round_and_at_most_a_200th_of_the_colour_scale(limit: float, step: float) -> None:
    assert pack_map(np.zeros((2, 2, 2)), AFFINE, limit).step == pytest.approx(step)


def test_zero_stays_zero() -> None:
    values = np.zeros((3, 3, 3), dtype=np.float32)
    values[1, 1, 1] = 0.123
    assert np.count_nonzero(unpack(pack_map(values, AFFINE, 0.1).text).get_fdata()) == 1


@pytest.mark.parametrize(("low", "high"), [(0, 1200), (-3, 5), (7, 7)])
def test_a_scan_is_kept_within_half_a_step(low: float, high: float) -> None:
    values = np.linspace(low, high, 60).reshape(3, 4, 5)
    packed = pack_scan(values, AFFINE)
    image = unpack(packed.text)
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_allclose(image.get_fdata(), values, atol=0.501 * packed.step)


def test_the_same_bytes_give_the_same_text() -> None:
    assert pack_bytes(b"scan" * 99) == pack_bytes(b"scan" * 99)
