"""Two scans of one head made comparable: the smooth ratio of their intensities."""

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation's name)
from nibabel.affines import voxel_sizes

from bundle.data.geometry import from_sitk, to_sitk

NUM_ROUNDS = 6
TUKEY = 4.685  # standard deviations beyond which a voxel has no weight (95 % efficiency for Gaussian noise)
NORMAL = 1.4826  # standard deviations in a median absolute deviation
VOXELS_PER_SIGMA = 5  # of a Gaussian, on the larger voxels that it is computed on
LEAST_COVERAGE = 1e-6  # weight, relative to the largest, below which there is no estimate


def estimate_ratio(
    earlier: np.ndarray, later: np.ndarray, inside: np.ndarray, affine: np.ndarray, sigma: float | None
) -> np.ndarray:
    """Estimate the smooth factor between two scans, later / earlier: the ratio of their gains and bias fields, shape (X, Y, Z).

    The logarithm of the ratio is smoothed by a Gaussian over the voxels inside, weighted by the product of both intensities
    (noise in the logarithm grows where it is dark) and by Tukey's biweight of what is left, so that voxels in which the
    anatomy changed do not count. What is left is smoothed again and added, round by round. `sigma` is the Gaussian's standard
    deviation in mm; None gives one factor for all voxels. A `ValueError` when less than half of the voxels inside have
    positive intensities in both scans.

    Source: Lewis and Fox, NeuroImage 2004 (https://doi.org/10.1016/j.neuroimage.2004.07.014), differential bias correction,
    with a robust mean in place of the median filter.
    """
    logarithm, weight, positive = _compare(earlier, later, inside)
    field = np.full(earlier.shape, np.median(logarithm))
    for _ in range(NUM_ROUNDS if sigma is not None else 0):
        left = logarithm - field[positive]
        robust = weight * _biweight(np.sqrt(weight) * left)
        field += _smooth(left, robust, positive, affine, sigma)  # type: ignore[arg-type]
    return np.exp(field)


def _compare(earlier: np.ndarray, later: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log ratio and weight of the voxels that have one, and where they are."""
    positive = inside & (earlier > 0) & (later > 0)
    if 2 * positive.sum() < max(inside.sum(), 1):
        raise ValueError(
            f"only {positive.sum()} of {inside.sum()} common voxels of the brain are above 0 in both scans: accepted are scans"
            " without negative intensities (no z-scores)"
        )
    first, second = earlier[positive].astype(np.float64), later[positive].astype(np.float64)
    return np.log(second / first), first * second, positive


def _biweight(values: np.ndarray) -> np.ndarray:
    """Return Tukey's weight of each value, 1 at zero and 0 far out."""
    deviation = NORMAL * np.median(np.abs(values))
    relative = values / (TUKEY * deviation) if deviation > 0 else np.where(values == 0, 0, np.inf)
    return np.where(np.abs(relative) < 1, (1 - np.clip(relative, -1, 1) ** 2) ** 2, 0)


def _smooth(values: np.ndarray, weight: np.ndarray, positive: np.ndarray, affine: np.ndarray, sigma: float) -> np.ndarray:
    """Return the weighted mean of values under a Gaussian, computed on larger voxels; zero where no weight is near."""
    sums = []
    bins = [int(size) for size in np.maximum(sigma / VOXELS_PER_SIGMA // voxel_sizes(affine), 1)]
    for part in (weight * values, weight):
        volume = np.zeros(positive.shape)
        volume[positive] = part / max(weight.max(), np.finfo(float).tiny)
        image = to_sitk(volume, affine)
        smooth = sitk.SmoothingRecursiveGaussian(sitk.BinShrink(image, bins), sigma)
        sums.append(
            from_sitk(sitk.Resample(smooth, image, sitk.Transform(), sitk.sitkLinear, 0.0, useNearestNeighborExtrapolator=True))
        )
    covered = sums[1] > LEAST_COVERAGE
    return np.where(covered, sums[0] / np.where(covered, sums[1], 1), 0)
