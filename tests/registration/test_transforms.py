import numpy as np
import pytest

from bundle.registration.transforms import average, halve, measure_motion


def test_half_a_transform_applied_twice_is_the_transform(motion: np.ndarray) -> None:
    sheared = motion @ np.diag([1.05, 0.98, 1.02, 1.0]) + 0.01 * np.eye(4, k=1) * [[1], [1], [0], [0]]
    for matrix in (motion, sheared):
        np.testing.assert_allclose(halve(matrix) @ halve(matrix), matrix, atol=1e-9)


def test_half_of_a_rigid_transform_is_rigid_with_half_the_angle(motion: np.ndarray) -> None:
    half = halve(motion)
    np.testing.assert_allclose(half[:3, :3] @ half[:3, :3].T, np.eye(3), atol=1e-12)
    angle = measure_motion(motion, np.zeros(3)).rotation
    assert measure_motion(half, np.zeros(3)).rotation == pytest.approx(angle / 2)


def test_mean_of_a_transform_and_its_inverse_is_the_identity(motion: np.ndarray) -> None:
    np.testing.assert_allclose(average(motion, np.linalg.inv(motion)), np.eye(4), atol=1e-9)
    np.testing.assert_allclose(average(motion, motion), motion, atol=1e-9)


def test_motion_is_measured_where_asked(move) -> None:
    matrix = move((0.0, 0.0, 5.0), (3.0, 4.0, 0.0))
    motion = measure_motion(matrix, np.array([5.0, -8.0, 3.0]))
    np.testing.assert_allclose(motion, (5.0, 5.0, 1.0), rtol=1e-9)
    assert measure_motion(np.diag([1.1, 1.1, 1.1, 1.0]), np.zeros(3)).scale == pytest.approx(1.1)
