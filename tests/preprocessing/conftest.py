"""Settings and small scans for the tests of the preparation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from raw_heads import Head, save

from bundle.preprocessing import Limits, Settings

ANY = Limits((0, 1e9), -1, 2, (0, 1e9))


@pytest.fixture
def plain() -> Settings:
    """Settings that only bring scans to a coarse grid."""
    return Settings(False, False, False, voxel_size=6.0, limits=ANY)


@pytest.fixture
def save_blob() -> Callable[..., Path]:
    """Return a function that saves a blob with background zero in the middle of MNI space."""

    def write(path: Path, radius: float = 40.0, spacing: tuple[float, ...] = (4.0, 5.0, 6.0)) -> Path:
        affine = np.diag([*spacing, 1.0])
        shape = tuple(int(160 / edge) for edge in spacing)
        affine[:3, 3] = -np.array(spacing) * (np.array(shape) - 1) / 2
        voxels = np.stack(np.meshgrid(*(np.arange(size) for size in shape), indexing="ij"), axis=-1)
        distance = np.linalg.norm(voxels @ affine[:3, :3] + affine[:3, 3], axis=-1)
        return save(Head(np.clip(radius - distance, 0, None).astype(np.float32), affine), path)

    return write
