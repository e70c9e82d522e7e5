"""What changed between two scans of one person: their difference in mid-space."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from nibabel.affines import apply_affine, voxel_sizes
from scipy.ndimage import gaussian_filter

from bundle.data.geometry import Grid, transform_volume
from bundle.registration.alignment import Registration
from bundle.registration.midspace import Midspace, match_intensities, resample_to_midspace
from bundle.registration.transforms import measure_motion
from bundle.registration.volumes import Volume, fill_background

NUM_REFINEMENTS = 2
WINDOW = 5.0  # mm, standard deviation of the Gaussian that powers are averaged by; 3 to 8 mm give maps of nearly the same error


class Diagnostics(NamedTuple):
    """How well two scans could be compared.

    Attributes:
        correlation_before: of the intensities inside the common brain, by the files' own affines.
        correlation: the same after registration and matching of intensities.
        gain: intensity of the later scan by that of the earlier (median).
        rotation: between the heads, degrees.
        translation: between the centres of the brains, mm.
        scale: edge of the later brain by that of the earlier, of the affine transform; 1 for a rigid one.
    """

    correlation_before: float
    correlation: float
    gain: float
    rotation: float
    translation: float
    scale: float


class Difference(NamedTuple):
    """Later scan minus earlier scan.

    Attributes:
        on_earlier: the difference on the grid and in the intensities of the earlier scan, shape of that scan, float32.
        on_later: the same on the grid and in the intensities of the later scan.
        transform: from world points of the earlier scan to those of the later, mm (RAS), shape (4, 4).
        diagnostics: how well the scans could be compared.
        midspace: earlier scan, later scan and difference in mid-space with matched intensities, shape (3, X, Y, Z).
        grid: where the voxels of `midspace` lie.
    """

    on_earlier: np.ndarray
    on_later: np.ndarray
    transform: np.ndarray
    diagnostics: Diagnostics
    midspace: np.ndarray
    grid: Grid


def subtract_scans(
    earlier: Volume,
    later: Volume,
    registration: Registration | None = None,
    bias_sigma: float | None = 25.0,
    smoothing: float = 0.0,
    shrinkage: float = 0.0,
) -> Difference:
    """Register two scans, match their intensities, and subtract the earlier from the later.

    Both are interpolated once, in mid-space, so that interpolation blurs both alike and its blur cancels.

    Source: Reuter et al., NeuroImage 2010 (https://doi.org/10.1016/j.neuroimage.2010.07.020), half-way space.

    Args:
        earlier: Scan of the earlier or less diseased state.
        later: Scan of the later or more diseased state of the same person.
        registration: Registration of the scans; None for `Registration()`.
        bias_sigma: Smoothness of the ratio of the bias fields in mm; None where only the gain differs.
        smoothing: Standard deviation of the Gaussian that the difference is smoothed by, in mm; 0 for none.
        shrinkage: Noise power by which the smoothed difference is shrunk, as in `smooth_difference`; 0 for none.

    Returns:
        The difference on both grids, zero outside the common brain.

    Raises:
        ValueError: When a setting is out of range, or the scans do not overlap or have negative intensities.
    """
    check_settings(bias_sigma, smoothing, shrinkage)
    registration = registration or Registration()
    matrix = registration.align_symmetrically(earlier, later)
    earlier, later = fill_background(earlier), fill_background(later)
    midspace = resample_to_midspace(earlier, later, matrix, bias_sigma)
    finest = replace(registration, levels=registration.levels[-1:])
    for _ in range(NUM_REFINEMENTS):  # other bias fields draw the optimum of mutual information away by a tenth of a mm
        matrix = finest.align_symmetrically(*match_intensities(earlier, later, midspace), matrix)
        midspace = resample_to_midspace(earlier, later, matrix, bias_sigma)
    return _subtract(earlier, later, midspace, smoothing, shrinkage)


def check_settings(bias_sigma: float | None, smoothing: float, shrinkage: float) -> None:
    """Refuse settings of `subtract_scans` that are out of range: a `ValueError`."""
    if bias_sigma is not None and bias_sigma <= 0:
        raise ValueError(f"bias_sigma must be above 0 mm, or null for no bias field, got {bias_sigma}")
    if smoothing < 0:
        raise ValueError(f"smoothing must be 0 mm or more, got {smoothing}")
    if shrinkage < 0:
        raise ValueError(f"shrinkage must be 0 or more times the noise power, got {shrinkage}")


def smooth_inside(image: np.ndarray, inside: np.ndarray, sigma: float | np.ndarray) -> np.ndarray:
    """Smooth an image, shape (X, Y, Z), by a Gaussian of `sigma` voxels that reads only what is inside; zero outside."""
    if not np.any(sigma):
        return image * inside
    weight = gaussian_filter(inside.astype(np.float32), sigma)
    return np.where(inside, gaussian_filter(image * inside, sigma) / np.where(inside, weight, 1), 0)


def smooth_difference(
    difference: np.ndarray, inside: np.ndarray, sigma: float | np.ndarray, window: float | np.ndarray, shrinkage: float
) -> np.ndarray:
    """Smooth a difference of two scans, and shrink it to zero where it is no stronger than noise.

    The smoothed difference y of x is multiplied by max(0, 1 - shrinkage * n / p), with p the local mean of y^2, and n the power
    of noise in y: the local mean of (x - y)^2, times the ratio of both powers in white noise. What interpolation and sharp
    edges leave in x - y counts as noise. SciPy's `wiener` shrinks to the local mean instead, with one noise for all voxels.

    Source: Lee, IEEE TPAMI 1980 (https://doi.org/10.1109/TPAMI.1980.4766994), Wiener filter of local powers.

    Args:
        difference: Later scan minus earlier scan, scanner units, shape (X, Y[, Z]).
        inside: Common brain, bool, the same shape.
        sigma: Standard deviation of the smoothing in voxels, one or one an axis; without smoothing nothing is shrunk.
        window: The same of the Gaussian that powers are averaged by.
        shrinkage: Multiple of the noise power that is taken off, dimensionless: 1 for white noise, 2 for the noise of scans
            that were interpolated, 0 for smoothing alone.

    Returns:
        The map, zero outside, shape (X, Y[, Z]).
    """
    smooth = smooth_inside(difference, inside, sigma)
    if shrinkage == 0 or not np.any(sigma):
        return smooth
    impulse = np.zeros([2 * int(4 * width + 0.5) + 1 for width in np.broadcast_to(sigma, smooth.ndim)])
    impulse[tuple(size // 2 for size in impulse.shape)] = 1
    kernel = gaussian_filter(impulse, sigma)
    ratio = np.sum(kernel**2) / np.sum((impulse - kernel) ** 2)  # of the powers of y and x - y in white noise
    power, left = (smooth_inside(part**2, inside, window) for part in (smooth, difference - smooth))
    return smooth * np.clip(1 - shrinkage * ratio * left / np.maximum(power, np.finfo(np.float32).tiny), 0, None)


def _subtract(earlier: Volume, later: Volume, midspace: Midspace, smoothing: float, shrinkage: float) -> Difference:
    """Return the difference of two scans in their mid-space."""
    grid, brain, root = midspace.grid, midspace.brain, midspace.root
    first, second = midspace.earlier * root, midspace.later / root
    spacing = voxel_sizes(grid.affine)
    change = smooth_difference(second - first, brain, smoothing / spacing, WINDOW / spacing, shrinkage)
    own = Grid(earlier.values.shape, earlier.affine)  # by the files' own affines
    overlap = earlier.brain & (transform_volume(later.brain, later.affine, own, np.eye(4), "nearest") > 0)
    unregistered = transform_volume(later.values, later.affine, own, np.eye(4), "bilinear")
    diagnostics = Diagnostics(
        _correlate(earlier.values, unregistered, overlap),
        _correlate(first, second, brain),
        float(np.median(root[brain]) ** 2),
        *measure_motion(midspace.transform, apply_affine(earlier.affine, np.argwhere(earlier.brain).mean(axis=0))),
    )
    on_earlier = _return_to(earlier, change / root, midspace, np.linalg.inv(midspace.to_earlier))
    on_later = _return_to(later, change * root, midspace, np.linalg.inv(midspace.to_later))
    return Difference(on_earlier, on_later, midspace.transform, diagnostics, np.stack([first, second, change]) * brain, grid)


def _return_to(scan: Volume, image: np.ndarray, midspace: Midspace, matrix: np.ndarray) -> np.ndarray:
    """Return an image in mid-space on the grid of a scan, zero outside the common brain."""
    grid = Grid(scan.values.shape, scan.affine)
    inside = scan.brain & (transform_volume(midspace.brain, midspace.grid.affine, grid, matrix, "nearest") > 0)
    return np.where(inside, transform_volume(image, midspace.grid.affine, grid, matrix), 0).astype(np.float32)


def _correlate(first: np.ndarray, second: np.ndarray, inside: np.ndarray) -> float:
    """Return the correlation of two images inside a mask; NaN when it is empty."""
    if not inside.any():
        return float("nan")
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(first[inside], second[inside])[0, 1])
