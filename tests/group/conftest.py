"""Folders of an inference with maps that are known."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from tiny_results import make_row, write_results

from bundle.files import write_nifti

SHAPES = {2: (12, 14, 1), 3: (10, 12, 8)}
AFFINE = np.array([[2.0, 0, 0, -10], [0, 2, 0, -12], [0, 0, 2, -8], [0, 0, 0, 1]])


@pytest.fixture
def shape(spatial_dims: int) -> tuple[int, ...]:
    """Voxels of a slice or volume."""
    return SHAPES[spatial_dims]


@pytest.fixture
def write_group(tmp_path: Path) -> Callable[..., Path]:
    """Write scans whose foreground leaves out one border, and their maps; return the folder of the inference."""

    def write(maps: Sequence[np.ndarray], directions: Sequence[tuple[int, int]], folder: str = "", **changes: Any) -> Path:
        rows = []
        for place, (values, (predicted, target)) in enumerate(zip(maps, directions, strict=True)):
            name = f"sub-{folder}{place:02d}"
            scan = np.full(values.shape, 100.0, np.float32)
            scan[0] = 0
            path = tmp_path / folder / "scans" / f"{name}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(scan, AFFINE), path)
            write_nifti(tmp_path / folder / "output" / f"{name}_fa_mean.nii.gz", values.astype(np.float32), AFFINE)
            rows.append(make_row(name, path, predicted_class=predicted, target_class=target, **changes))
        return write_results(tmp_path / folder, rows)

    return write


@pytest.fixture
def maps(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Twelve maps of noise; in a block of the first six 1 is added, in the last six subtracted."""
    random = np.random.default_rng(0)
    found = [random.normal(0, 0.1, shape) for _ in range(12)]
    for place, values in enumerate(found):
        values[4:7, 4:7] += 1 if place < 6 else -1
    return found


@pytest.fixture
def results(write_group: Callable[..., Path], maps: list[np.ndarray]) -> Path:
    """Folder of an inference of these maps, six from class 0 to 1 and six back."""
    return write_group(maps, [(0, 1)] * 6 + [(1, 0)] * 6)


@pytest.fixture
def participants(tmp_path: Path) -> Path:
    """Table of the twelve participants: sex alternates, site has three codes, age is random."""
    ages = np.random.default_rng(1).uniform(50, 80, 12).round(1)
    rows = [f"sub-{place:02d}\t{'FM'[place % 2]}\t{age}\t{place % 3}" for place, age in enumerate(ages)]
    path = tmp_path / "people.tsv"
    path.write_text("\n".join(["participant_id\tsex\tage\tsite", *rows]) + "\n")
    return path
