"""Grids in the world, and sampling there."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bundle.data.geometry import Grid, from_sitk, list_voxels, resample, to_sitk, to_world, transform_volume

AFFINE = np.array([[-2.0, 0, 0, 30], [0, 0, 3.0, -40], [0, 2.5, 0, -20], [0, 0, 0, 1]])


@pytest.fixture
def motion() -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = Rotation.from_euler("xyz", (3.0, -2.0, 4.0), degrees=True).as_matrix(), (2.0, -3.0, 2.5)
    return matrix


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_intensities_stay_where_they_are_through_a_transform(motion: np.ndarray, mode: str) -> None:
    ramp = np.array([1.0, -2.0, 3.0])
    values = 300 + np.tensordot(ramp, to_world(AFFINE, list_voxels((30, 32, 28))), 1)
    grid = Grid((4, 5, 6), np.diag([3.0, 3.0, 3.0, 1.0]))
    places = to_world(motion @ grid.affine, list_voxels(grid.shape))
    np.testing.assert_allclose(
        transform_volume(values, AFFINE, grid, motion, mode), 300 + np.tensordot(ramp, places, 1), rtol=1e-4
    )


def test_voxels_lie_where_the_affine_says() -> None:
    values = np.random.default_rng(0).uniform(1, 2, (8, 9, 10)).astype(np.float32)
    image = to_sitk(values, AFFINE)
    np.testing.assert_array_equal(from_sitk(image), values)
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((1, 2, 3)), (AFFINE @ [1, 2, 3, 1])[:3])


@pytest.mark.parametrize("factor", [0.7, 1.0, 2.2])
def test_single_precision_agrees_with_double(factor: float) -> None:
    volume = np.random.default_rng(0).normal(size=(2, 9, 8, 7))
    affine, new = np.diag([2.0, 1.5, 2.5, 1]), np.eye(4)
    new[:3, :3] = np.array([[1, 0.2, 0], [-0.2, 1, 0.1], [0, -0.1, 1]]) * factor * 2
    expected, output = (resample(volume, affine, new, (6, 5, 4), exact=exact) for exact in (True, False))
    assert (expected.dtype, output.dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(output, expected, atol=1e-5)
