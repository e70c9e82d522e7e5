"""A head whose intensity is a formula of the place, so that it can be scanned in any position without interpolation."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bundle.data.geometry import list_voxels, to_world
from bundle.registration import Volume

RADII = np.array([55.0, 70.0, 50.0])  # mm, of the brain
CHANGE = np.array([12.0, -10.0, 8.0])  # world coordinates in mm of what changes
WIDTH = 10.0  # mm
SPACING = 4.0  # mm


class Phantom:
    """Blobs in an ellipsoid, about (5, -8, 3) mm."""

    def __init__(self, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.centre = np.array([5.0, -8.0, 3.0])
        self.places = self.centre + random.uniform(-1, 1, (80, 3)) * RADII
        self.widths, self.heights = random.uniform(6, 12, 80), random.choice([-250.0, 250.0], 80)

    def evaluate(self, points: np.ndarray, change: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return intensity and brain at world points of shape (3, ...)."""
        values = np.full(points.shape[1:], 800.0)
        for place, width, height in zip(self.places, self.widths, self.heights, strict=True):
            values += height * _bell(points, place, width)
        inside = (((points - _column(self.centre)) / _column(RADII)) ** 2).sum(0) < 1
        return np.clip(values + change * _bell(points, CHANGE, WIDTH), 50, None), inside

    def scan(
        self,
        matrix: np.ndarray | None = None,
        change: float = 0.0,
        noise: float = 0.0,
        spacing: float | np.ndarray = SPACING,
        turn: float = 0.0,
        gain: float = 1.0,
        bias: float = 0.0,
        seed: int = 0,
    ) -> Volume:
        """Scan the head after it was moved by `matrix`, on a grid that is turned by `turn` degrees about z."""
        spacing = np.broadcast_to(spacing, 3)
        shape = tuple(np.ceil(2 * (RADII + 12) / spacing).astype(int))
        affine = np.eye(4)
        affine[:3, :3] = Rotation.from_euler("z", turn, degrees=True).as_matrix() @ np.diag(spacing)
        affine[:3, 3] = self.centre - affine[:3, :3] @ (np.array(shape) - 1) / 2
        points = to_world(affine, list_voxels(shape))
        values, inside = self.evaluate(to_world(np.linalg.inv(np.eye(4) if matrix is None else matrix), points), change)
        field = gain * np.exp(bias * np.sin(points[0] / 40) * np.cos(points[1] / 50))
        values = values * field + gain * noise * np.random.default_rng(seed).standard_normal(shape)
        return Volume((np.clip(values, 1, None) * inside).astype(np.float32), affine, inside)


def make_motion(angles: tuple[float, float, float], shift: tuple[float, float, float]) -> np.ndarray:
    """Return a rotation in degrees about the head's centre and a shift in mm."""
    matrix, about = np.eye(4), np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix(), shift
    about[:3, 3] = (5.0, -8.0, 3.0)
    return about @ matrix @ np.linalg.inv(about)


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return Phantom()


@pytest.fixture(scope="session")
def motion() -> np.ndarray:
    return make_motion((3.0, -2.0, 4.0), (2.0, -3.0, 2.5))


@pytest.fixture(scope="session")
def move() -> Callable[..., np.ndarray]:
    return make_motion


def _column(values: np.ndarray) -> np.ndarray:
    return np.asarray(values).reshape(3, 1, 1, 1)


def _bell(points: np.ndarray, place: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-((points - _column(place)) ** 2).sum(0) / (2 * width**2))
