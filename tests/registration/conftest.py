"""A head whose intensity is a formula of the place, so that it can be scanned in any position without interpolation."""

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
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


@pytest.fixture
def manifest(tmp_path: Path, phantom, motion: np.ndarray) -> pd.DataFrame:
    """A converter in the test split, a repeat pair in the validation split, and a single scan."""
    scans = {
        ("sub-1", "ses-M024", 1, "test", "ses-M000"): phantom.scan(motion, change=-400, spacing=7.0),
        ("sub-1", "ses-M000", 0, "test", "ses-M024"): phantom.scan(spacing=6.0),
        ("sub-2", "ses-M006", 0, "validation", "ses-M000"): phantom.scan(motion, spacing=6.0),
        ("sub-2", "ses-M000", 0, "validation", "ses-M006"): phantom.scan(spacing=6.0),
        ("sub-3", "ses-M000", 0, "test", None): phantom.scan(spacing=6.0),
    }
    rows = []
    for (name, session, label, split, pair), scan in scans.items():
        row = {"participant_id": name, "session_id": session, "label": label, "split": split, "pair": pair}
        for key, array in {"image": scan.values, "brain_mask": scan.brain.astype(np.float32)}.items():
            row[key] = str(tmp_path / f"{name}_{session}_{key}.nii.gz")
            nibabel.save(nibabel.Nifti1Image(array, scan.affine), row[key])
        rows.append(row)
    return pd.DataFrame(rows)


def _column(values: np.ndarray) -> np.ndarray:
    return np.asarray(values).reshape(3, 1, 1, 1)


def _bell(points: np.ndarray, place: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-((points - _column(place)) ** 2).sum(0) / (2 * width**2))
