"""Preprocessing of one raw scan."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from nibabel.affines import voxel_sizes

from bundle.data.geometry import resample
from bundle.data.plausibility import find_odd_intensities, measure_volume
from bundle.data.scans import read_volume
from bundle.preprocessing.bias_correction import correct_bias
from bundle.preprocessing.brain_extraction import extract_brain
from bundle.preprocessing.quality_control import Limits, RejectedScan, correlate_with_template, find_problem
from bundle.preprocessing.template import place_grid, register_to_template


@dataclass(frozen=True)
class Settings:
    """What is done to a scan.

    Args:
        bias_correction: Whether the bias field is removed.
        brain_extraction: Whether the skull is removed; where not, the brain is where the scan is not zero.
        registration: Whether the scan is brought to MNI space; where not, its world is taken for MNI space.
        voxel_size: Edge of a voxel of the prepared scan in mm.
        clip_percentile: Percentile of the brain's intensities above which they are cut off; None for none.
        limits: Limits beyond which a scan is left out.

    Raises:
        ValueError: When the voxel size or the percentile is out of range.
    """

    bias_correction: bool = True
    brain_extraction: bool = True
    registration: bool = True
    voxel_size: float = 1.0
    clip_percentile: float | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0.5 <= self.voxel_size <= 8:
            raise ValueError(f"voxel_size must be 0.5 to 8 mm, got {self.voxel_size}")
        if self.clip_percentile is not None and not 50 < self.clip_percentile <= 100:
            raise ValueError(f"clip_percentile must be above 50 and at most 100, or null, got {self.clip_percentile}")


class PreparedScan(NamedTuple):
    """A scan brought to the grid of `place_grid`, which a network takes.

    Attributes:
        image: Intensities in the scanner's units, background exactly zero, float32, shape of the grid.
        brain_mask: Where the brain is, uint8, shape of the grid.
        affine: Voxel to world matrix of the grid in mm (RAS), shape (4, 4).
        transform: Matrix from world points of the raw scan to those of the prepared one, mm, shape (4, 4).
        measures: Numbers for the checks, by column of the table.
        seconds: Time of each step.
        warnings: Sentences on what is doubtful about the raw scan.
    """

    image: np.ndarray
    brain_mask: np.ndarray
    affine: np.ndarray
    transform: np.ndarray
    measures: dict[str, float]
    seconds: dict[str, float]
    warnings: Sequence[str] = ()


def prepare_scan(path: str | Path, settings: Settings) -> PreparedScan:
    """Prepare one scan.

    Args:
        path: File of one T1-weighted volume.
        settings: What is done to it.

    Returns:
        The scan on the grid of `place_grid`.

    Raises:
        FileNotFoundError: When there is no such file.
        RejectedScan: When the scan fails a check.
        ValueError: When the file holds no scan, or a step cannot be done.
    """
    measures: dict[str, float] = {}
    seconds: dict[str, float] = {}
    with _measure_time(seconds, "reading"):
        image, affine, warnings = _read_canonical(path, settings.limits.unknown_orientation)
        measures["num_slices"] = min(image.shape)
        _check_limits(path, measures, settings.limits)
    with _measure_time(seconds, "brain_extraction"):
        brain = extract_brain(image) if settings.brain_extraction else image != 0
        measures["brain_volume_ml"] = measure_volume(brain, affine)
        _check_limits(path, measures, settings.limits)
        warnings = [*warnings, *find_odd_intensities(image * brain)]
    with _measure_time(seconds, "bias_correction"):
        if settings.bias_correction:
            image = correct_bias(image, brain, voxel_sizes(affine))
    with _measure_time(seconds, "registration"):
        transform = np.eye(4)
        if settings.registration:
            straight = straighten(affine)
            transform = register_to_template(image * brain, straight) @ straight @ np.linalg.inv(affine)
        scales = np.linalg.svd(transform[:3, :3])[1]
        measures |= {"smallest_scale": float(scales.min()), "largest_scale": float(scales.max())}
    with _measure_time(seconds, "resampling"):
        grid = place_grid(settings.voxel_size)
        place = (transform @ affine, grid.affine, grid.shape)
        mask = resample(brain[None], *place, exact=False)[0] >= 0.5
        values = resample(image[None], *place, exact=False)[0] * mask
        if settings.clip_percentile is not None and mask.any():
            values = np.minimum(values, np.float32(np.percentile(values[mask], settings.clip_percentile)))
        measures["template_correlation"] = correlate_with_template(values, grid)
    prepared = PreparedScan(values, mask.astype(np.uint8), grid.affine, transform, measures, seconds, warnings)
    _check_limits(path, measures, settings.limits, prepared)
    return prepared


def _read_canonical(path: str | Path, unknown_orientation: bool) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Read a scan with its voxel axes along right, anterior and superior as well as its affine allows, and what is doubtful."""
    values, placement = read_volume(path)
    if not unknown_orientation and not placement.oriented:
        raise ValueError(
            f"{path} does not say in its header where left and right are: write its orientation into the header,"
            " or give --limits#unknown_orientation True"
        )
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(values, placement.affine))
    return np.ascontiguousarray(canonical.dataobj), canonical.affine, placement.warnings


def straighten(affine: np.ndarray) -> np.ndarray:
    """Return the affine, shape (4, 4), with voxel axes at right angles nearest to another; one without shear stays as it is."""
    spacing = voxel_sizes(affine)
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    straight = affine.copy()
    straight[:3, :3] = left @ right * spacing
    return straight


def _check_limits(path: str | Path, measures: dict[str, float], limits: Limits, prepared: PreparedScan | None = None) -> None:
    """Refuse a scan that is out of a limit."""
    if problem := find_problem(measures, limits):
        raise RejectedScan(f"{path} {problem}", measures, prepared)


@contextmanager
def _measure_time(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Record the time of a step."""
    start = time.perf_counter()
    yield
    seconds[step] = round(time.perf_counter() - start, 2)
