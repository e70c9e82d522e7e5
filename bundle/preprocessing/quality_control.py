"""Quality control: which prepared scans are used."""

from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from bundle.data.geometry import Grid, resample
from bundle.data.plausibility import BRAIN_VOLUME
from bundle.preprocessing.template import resample_template

SMOOTHING = 2.0  # mm, standard deviation of the Gaussian before scan and template are compared
COMPARED_EDGE = 3.0  # mm, voxels in which they are


class Limits(NamedTuple):
    """Limits of what is measured of a scan.

    Attributes:
        brain_volume: Least and largest volume of the brain mask in the raw scan, ml.
        template_correlation: Least correlation with the template inside its brain, after smoothing.
        num_slices: Least number of voxels along each axis of the raw scan.
        scale: Least and largest factor of the registration along any direction.
        unknown_orientation: Whether scans are taken whose header leaves open where left and right are.
    """

    brain_volume: tuple[float, float] = BRAIN_VOLUME
    template_correlation: float = 0.6
    num_slices: int = 20
    scale: tuple[float, float] = (0.7, 1.4)
    unknown_orientation: bool = False


class RejectedScan(ValueError):  # noqa: N818  # the scan is at fault
    """A scan that fails a check: why, what was measured so far, and the prepared scan, if it came so far."""

    def __init__(self, reason: str, measures: dict[str, float], prepared: Any = None) -> None:
        super().__init__(reason)
        self.measures = measures
        self.prepared = prepared


def find_problem(measures: dict[str, float], limits: Limits) -> str | None:
    """Return one sentence about the first measure that is out of its limits; None when all that there are are kept."""
    low, high = limits.brain_volume
    smallest, largest = limits.scale
    infinity = float("inf")
    rules = (
        ("num_slices", "num_slices", limits.num_slices, infinity, "has {0:.0f} voxels along an axis: accepted are {1:g} or more"),
        ("brain_volume_ml", "brain_volume", low, high, "shows a brain of {0:.0f} ml: accepted are {1:g} to {2:g} ml"),
        ("smallest_scale", "scale", smallest, largest, "is scaled by {0:.2f} to fit the template: accepted are {1:g} to {2:g}"),
        ("largest_scale", "scale", smallest, largest, "is scaled by {0:.2f} to fit the template: accepted are {1:g} to {2:g}"),
        ("template_correlation", "template_correlation", limits.template_correlation, infinity,
         "correlates with the template by {0:.2f} after registration: accepted are {1:g} or more"),
    )  # fmt: skip
    for name, key, least, most, sentence in rules:
        if name in measures and not least <= measures[name] <= most:
            return f"{sentence.format(measures[name], least, most)} (limits#{key})"
    return None


def correlate_with_template(image: np.ndarray, grid: Grid) -> float:
    """Return the correlation of a prepared scan with the template inside the template's brain, both smoothed."""
    edge = float(grid.affine[0, 0])
    factor = max(COMPARED_EDGE / edge, 1.0)
    shape = tuple(int(size / factor) for size in grid.shape)
    coarse = grid.affine @ np.diag([factor, factor, factor, 1.0])
    template = resample_template(shape, edge * factor, tuple(grid.affine[:3, 3].tolist()))
    scan = resample(image[None], grid.affine, coarse, shape, exact=False)[0]
    smooth, reference = (ndimage.gaussian_filter(values, SMOOTHING / (edge * factor)) for values in (scan, template))
    if smooth[template > 0].std() == 0:
        return 0.0
    return float(np.corrcoef(smooth[template > 0], reference[template > 0])[0, 1])
