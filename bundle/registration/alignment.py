"""Registration of two scans of a head with mutual information (SimpleITK)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation's name)
from scipy.linalg import polar

from bundle.registration.transforms import average
from bundle.registration.volumes import Volume, measure_spacing, to_sitk

KINDS = ("rigid", "affine")
LEVELS = (8.0, 4.0, 2.0)  # mm
NUM_BINS = 50
FIRST_STEP = 1.0  # mm, of the descent
LAST_STEP = 1e-3  # mm
MAX_STEPS = 200  # a level


def align(
    fixed: Volume,
    moving: Volume,
    transform: str = "affine",
    levels: Sequence[float] = LEVELS,
    sampling: float = 0.5,
    seed: int = 0,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """Find the transform that maximises the mutual information of two scans inside their brains.

    The centres of mass are brought together, then six parameters are found from coarse to fine, and for "affine" twelve.
    Samples lie beside the voxels' centres, drawn with `seed`: equal scans on equal grids would otherwise have a false optimum.

    Source: Mattes et al., IEEE TMI 2003 (https://doi.org/10.1109/TMI.2003.809072), by SimpleITK.

    Args:
        fixed: Scan that stays.
        moving: Scan that is looked up.
        transform: "rigid" (six parameters) or "affine" (twelve).
        levels: Edge of a voxel in mm from the coarsest level to the finest; scans are smoothed by half of it.
        sampling: Share of the voxels that are sampled, in (0, 1].
        seed: Seed of the samples; 0 and above.
        start: Transform to begin with, shape (4, 4); None for a rigid one from the centres of mass.

    Returns:
        Matrix from world points of `fixed` to those of `moving`, mm (RAS), shape (4, 4).

    Raises:
        ValueError: When `transform`, `levels` or `sampling` is none of the accepted, or the scans do not overlap.
    """
    check_settings(transform, levels, sampling)
    images = [to_sitk(np.where(scan.brain, scan.values, 0), scan.affine) for scan in (fixed, moving)]
    masks = [to_sitk(scan.brain.astype(np.uint8), scan.affine) for scan in (fixed, moving)]
    method = _prepare(masks, measure_spacing(fixed.affine), levels, sampling, seed)
    centre = _find_centre(fixed)
    if start is None:
        shift = np.eye(4)
        shift[:3, 3] = _find_centre(moving) - centre
        start = _climb(method, images, _make_transform("rigid", shift, centre))
        if transform == "rigid":
            return start
    return _climb(method, images, _make_transform(transform, start, centre))


def align_symmetrically(earlier: Volume, later: Volume, start: np.ndarray | None = None, **settings: Any) -> np.ndarray:
    """Register two scans in both directions and return the mean, so that neither is the one that stays.

    Args:
        earlier: One scan.
        later: The other.
        start: As in `align`.
        settings: Keywords of `align`.

    Returns:
        Matrix from world points of `earlier` to those of `later`, mm (RAS), shape (4, 4).

    Raises:
        ValueError: As in `align`.
    """
    back = None if start is None else np.linalg.inv(start)
    forward = align(earlier, later, start=start, **settings)
    backward = align(later, earlier, start=back, **settings)
    return average(forward, np.linalg.inv(backward))


def check_settings(transform: str, levels: Sequence[float], sampling: float) -> None:
    """Refuse settings of `align` that it does not know.

    Args:
        transform: As in `align`.
        levels: As in `align`.
        sampling: As in `align`.

    Raises:
        ValueError: When one is none of the accepted.
    """
    if transform not in KINDS:
        raise ValueError(f"transform must be one of {', '.join(KINDS)}, got {transform!r}")
    if not levels or min(levels) <= 0:
        raise ValueError(f"levels must be voxel sizes in mm from coarse to fine, got {list(levels)}")
    if not 0 < sampling <= 1:
        raise ValueError(f"sampling must be a share of the voxels above 0 and at most 1, got {sampling}")


def _prepare(
    masks: Sequence[sitk.Image], spacing: np.ndarray, levels: Sequence[float], sampling: float, seed: int
) -> sitk.ImageRegistrationMethod:
    """Return the registration without its start."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(NUM_BINS)
    method.SetMetricFixedMask(masks[0])
    method.SetMetricMovingMask(masks[1])
    method.SetMetricSamplingStrategy(method.REGULAR)  # every n-th voxel, moved by a draw
    method.SetMetricSamplingPercentage(sampling, seed + 1)  # 0 is the clock to ITK
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(FIRST_STEP, LAST_STEP, MAX_STEPS, gradientMagnitudeTolerance=1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    edge = float(np.prod(spacing) ** (1 / 3))
    method.SetShrinkFactorsPerLevel([max(1, round(level / edge)) for level in levels])
    method.SetSmoothingSigmasPerLevel([level / 2 for level in levels])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetNumberOfThreads(1)  # sums over threads differ in their last digits
    return method


def _find_centre(scan: Volume) -> np.ndarray:
    """Return the centre of mass of the intensities inside the brain, world coordinates in mm, shape (3,)."""
    voxels = np.argwhere(scan.brain)
    weight = np.abs(scan.values[scan.brain]).astype(np.float64)
    return scan.affine[:3, :3] @ np.average(voxels, axis=0, weights=weight) + scan.affine[:3, 3]


def _make_transform(kind: str, matrix: np.ndarray, centre: np.ndarray) -> sitk.Transform:
    """Return a matrix, shape (4, 4), as a transform of SimpleITK with its parameters about a centre in mm."""
    transform = sitk.Euler3DTransform() if kind == "rigid" else sitk.AffineTransform(3)
    linear = polar(matrix[:3, :3])[0] if kind == "rigid" else matrix[:3, :3]
    transform.SetCenter(centre.tolist())
    transform.SetMatrix(linear.ravel().tolist())
    transform.SetTranslation((matrix[:3, :3] @ centre + matrix[:3, 3] - centre).tolist())
    return transform


def _climb(method: sitk.ImageRegistrationMethod, images: Sequence[sitk.Image], start: sitk.Transform) -> np.ndarray:
    """Run the registration from a start, which is changed, and return the result as a matrix, shape (4, 4)."""
    method.SetInitialTransform(start, inPlace=True)
    try:
        method.Execute(*images)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(f"the scans cannot be registered ({reason}): do they overlap, and do both show a brain?") from error
    matrix = np.eye(4)
    matrix[:3, 3] = start.TransformPoint((0.0, 0.0, 0.0))
    for axis, unit in enumerate(np.eye(3)):
        matrix[:3, axis] = np.array(start.TransformPoint(unit.tolist())) - matrix[:3, 3]
    return matrix
