"""Volumes inside a page."""

import base64
import gzip

import nibabel
import numpy as np
import pytest

from bundle.viewer.volumes import MOST, find_stride, pack_bytes, pack_map, pack_scan, pack_steps, thin

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


def test_steps_of_a_walk_add_up_to_their_images_within_half_a_step() -> None:
    images = np.random.default_rng(0).uniform(-50, 700, (6, 5, 4, 3)) * np.linspace(0.2, 1, 3)
    packed = pack_steps(images, np.eye(4))
    read = [nibabel.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(each.text))).get_fdata() for each in packed]
    np.testing.assert_allclose(np.cumsum(read, axis=0), np.moveaxis(images, 3, 0), atol=0.502 * packed[0].step)


@pytest.mark.parametrize(
    ("shape", "stride"), [((91, 109, 91), 1), ((182, 218, 182), 2), ((256, 256, 256), 3), ((512, 512, 1), 1)]
)
def test_large_volumes_are_kept_in_coarser_voxels(shape: tuple[int, ...], stride: int) -> None:
    assert find_stride(shape) == stride
    assert np.prod([-(-size // stride) for size in shape]) <= MOST


def test_coarser_voxels_lie_where_they_were() -> None:
    values, affine = np.random.default_rng(0).random((7, 6, 5, 2)), np.diag([1.0, 1.5, -2.0, 1.0])
    thinned, coarse = thin(values, affine, 2)
    assert thinned.shape == (4, 3, 3, 2)
    place = affine @ [4, 2, 4, 1]
    np.testing.assert_allclose(coarse @ [2, 1, 2, 1], place)
    np.testing.assert_array_equal(thinned[2, 1, 2], values[4, 2, 4])
