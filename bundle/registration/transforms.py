"""Rigid and affine transforms as matrices: their mean, their half, and how far they move a head."""

from typing import NamedTuple

import numpy as np
from nibabel.affines import apply_affine
from scipy.linalg import expm, logm, polar


class Motion(NamedTuple):
    """How far a transform moves a head.

    Attributes:
        rotation: angle of its rotation in degrees.
        translation: distance between a given point and its image in mm.
        scale: edge of a unit cube of the same volume after the transform, 1 for rigid transforms.
    """

    rotation: float
    translation: float
    scale: float


def average(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the transform half-way between two that are close to each other, in the logarithm.

    Source: Arsigny et al., WBIR 2006 (https://doi.org/10.1007/11784012_15), log-Euclidean mean.
    """
    return expm((_log(first) + _log(second)) / 2)


def halve(matrix: np.ndarray) -> np.ndarray:
    """Return the matrix, shape (4, 4), that applied twice is the given rigid or affine transform without a reflection."""
    return expm(_log(matrix) / 2)


def measure_motion(matrix: np.ndarray, point: np.ndarray) -> Motion:
    """Measure rotation and scale of a transform of the world, shape (4, 4) in mm, and how far it moves a point."""
    rotation, _ = polar(matrix[:3, :3])
    angle = np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1)))
    shift = apply_affine(matrix, point) - point
    return Motion(float(angle), float(np.linalg.norm(shift)), float(np.abs(np.linalg.det(matrix[:3, :3])) ** (1 / 3)))


def _log(matrix: np.ndarray) -> np.ndarray:
    return np.real(logm(matrix))
