"""What changed between two scans of one person: their difference, half-way between them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

from bundle.registration.alignment import LEVELS, align_symmetrically
from bundle.registration.midspace import Grid, Meeting, match, meet, resample
from bundle.registration.transforms import measure_motion
from bundle.registration.volumes import Volume, fill_background, measure_spacing

NUM_REFINEMENTS = 2


class Diagnostics(NamedTuple):
    """How well two scans could be compared.

    Attributes:
        correlation_before: of the intensities inside the common brain, where the files say that the voxels lie.
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
        halfway: earlier scan, later scan and difference in the space and the intensities half-way, shape (3, X, Y, Z).
        grid: where the voxels of `halfway` lie.
    """

    on_earlier: np.ndarray
    on_later: np.ndarray
    transform: np.ndarray
    diagnostics: Diagnostics
    halfway: np.ndarray
    grid: Grid


def subtract_scans(
    earlier: Volume,
    later: Volume,
    transform: str = "affine",
    bias_sigma: float | None = 25.0,
    smoothing: float = 0.0,
    levels: Sequence[float] = LEVELS,
    sampling: float = 0.5,
    seed: int = 0,
) -> Difference:
    """Register two scans, match their intensities, and subtract the earlier from the later.

    Both are read once, in the space half-way between them, so that interpolation blurs both alike and its blur cancels.

    Source: Reuter et al., NeuroImage 2010 (https://doi.org/10.1016/j.neuroimage.2010.07.020), half-way space.

    Args:
        earlier: Scan of the earlier or less diseased state.
        later: Scan of the later or more diseased state of the same person.
        transform: "rigid" or "affine".
        bias_sigma: Smoothness of the ratio of the bias fields in mm; None where only the gain differs.
        smoothing: Standard deviation of the Gaussian that the difference is smoothed by, in mm; 0 for none.
        levels: Voxel edges of the registration in mm, from coarse to fine.
        sampling: Share of the voxels that the registration samples.
        seed: Seed of these samples.

    Returns:
        The difference on both grids, zero outside the common brain.

    Raises:
        ValueError: When a setting is out of range, or the scans do not overlap or have negative intensities.
    """
    check_sigmas(bias_sigma, smoothing)
    settings: dict[str, Any] = {"transform": transform, "sampling": sampling, "seed": seed}
    matrix = align_symmetrically(earlier, later, levels=levels, **settings)
    earlier, later = fill_background(earlier), fill_background(later)
    meeting = meet(earlier, later, matrix, bias_sigma)
    for _ in range(NUM_REFINEMENTS):  # other bias fields draw the optimum of mutual information away by a tenth of a mm
        matrix = align_symmetrically(*match(earlier, later, meeting), matrix, levels=levels[-1:], **settings)
        meeting = meet(earlier, later, matrix, bias_sigma)
    return _subtract(earlier, later, meeting, smoothing)


def _subtract(earlier: Volume, later: Volume, meeting: Meeting, smoothing: float) -> Difference:
    """Return the difference of two scans that were brought together."""
    grid, brain, root = meeting.grid, meeting.brain, meeting.root
    first, second = meeting.earlier * root, meeting.later / root
    change = smooth_inside(second - first, brain, smoothing / measure_spacing(grid.affine))
    centre = earlier.affine[:3, :3] @ np.argwhere(earlier.brain).mean(axis=0) + earlier.affine[:3, 3]
    diagnostics = Diagnostics(
        _correlate_before(earlier, later),
        _correlate(first, second, brain),
        float(np.median(root[brain]) ** 2),
        *measure_motion(meeting.transform, centre),
    )
    on_earlier = _bring(change / root, meeting, earlier, np.linalg.inv(meeting.to_earlier))
    on_later = _bring(change * root, meeting, later, np.linalg.inv(meeting.to_later))
    halfway = np.stack([first, second, change]) * brain
    return Difference(on_earlier, on_later, meeting.transform, diagnostics, halfway, grid)


def check_sigmas(bias_sigma: float | None, smoothing: float) -> None:
    """Refuse widths of Gaussians that are none.

    Args:
        bias_sigma: As in `subtract_scans`.
        smoothing: As in `subtract_scans`.

    Raises:
        ValueError: When one is out of range.
    """
    if bias_sigma is not None and bias_sigma <= 0:
        raise ValueError(f"bias_sigma must be above 0 mm, or null for no bias field, got {bias_sigma}")
    if smoothing < 0:
        raise ValueError(f"smoothing must be 0 mm or more, got {smoothing}")


def smooth_inside(image: np.ndarray, inside: np.ndarray, sigma: float | np.ndarray) -> np.ndarray:
    """Smooth an image by a Gaussian that reads only what is inside; zero outside.

    Args:
        image: Shape (X, Y, Z).
        inside: Same shape, bool.
        sigma: Standard deviation in voxels; 0 for none.
    """
    if not np.any(sigma):
        return image * inside
    weight = gaussian_filter(inside.astype(np.float32), sigma)
    return np.where(inside, gaussian_filter(image * inside, sigma) / np.where(inside, weight, 1), 0)


def _bring(image: np.ndarray, meeting: Meeting, scan: Volume, matrix: np.ndarray) -> np.ndarray:
    """Return an image half-way on the grid of a scan, zero outside the common brain."""
    own = Grid(scan.values.shape, scan.affine)
    inside = scan.brain & (resample(meeting.brain, meeting.grid.affine, own, matrix, "nearest") > 0)
    return np.where(inside, resample(image, meeting.grid.affine, own, matrix), 0).astype(np.float32)


def _correlate_before(earlier: Volume, later: Volume) -> float:
    """Return the correlation of two scans inside the brains' overlap, as they lie in their files; NaN when there is none."""
    grid = Grid(earlier.values.shape, earlier.affine)
    inside = earlier.brain & (resample(later.brain, later.affine, grid, np.eye(4), "nearest") > 0)
    return _correlate(earlier.values, resample(later.values, later.affine, grid, np.eye(4), "linear"), inside)


def _correlate(first: np.ndarray, second: np.ndarray, inside: np.ndarray) -> float:
    if not inside.any():
        return float("nan")
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(first[inside], second[inside])[0, 1])
