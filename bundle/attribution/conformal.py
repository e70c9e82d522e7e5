"""Conformal intervals for the change of every voxel: calibrated on scans whose change is known, used for others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bundle.files import load_tensors, save_tensors

REMEDY = (
    "give the calibration.pt of an evaluation of this network, with these settings and"
    " --uncertainty#attribute_sources \"['mixture']\""
)


class Calibration(NamedTuple):
    """A conformal calibration: ends of the intervals, in S groups of voxels of similar spread, and M of similar mean in each.

    Attributes:
        spread_edges: standard deviations that separate the groups, ascending, network intensity, shape (S - 1,).
        mean_edges: means that separate the groups inside each, likewise, shape (S, M - 1).
        ends: by level both ends of the interval, network intensity, shape (S, M, 2); NaN in groups without voxels.
    """

    spread_edges: np.ndarray
    mean_edges: np.ndarray
    ends: dict[float, np.ndarray]

    def find(self, mean: np.ndarray, spread: np.ndarray, level: float) -> np.ndarray:
        """Return both ends of the interval of each of V voxels, network intensity, shape (2, V)."""
        groups = np.digitize(spread, self.spread_edges)
        return self.ends[level][groups, _digitize(mean, groups, self.mean_edges)].T


def calibrate(
    mean: np.ndarray,
    spread: np.ndarray,
    change: np.ndarray,
    shares: np.ndarray,
    levels: Sequence[float],
    num_bins: Sequence[int] = (10, 50),
) -> Calibration:
    """Find the ends that hold the changes of validation scans, in groups of voxels of similar spread and mean.

    Source: Vovk et al., ACML 2012 (https://arxiv.org/abs/1209.2673), without the correction for few data: there are many voxels.

    Args:
        mean: mean of the sampled maps, shape (V,).
        spread: their standard deviation, shape (V,).
        change: true change, shape (V,).
        shares: weight of each change, shape (V,).
        levels: probabilities that the intervals are to hold the change.
        num_bins: groups of equally many voxels, ordered by spread, and inside each ordered by mean; fewer where values are equal.
    """
    spread_edges = _find_edges(spread, num_bins[0])
    groups = np.digitize(spread, spread_edges)
    mean_edges = np.stack([_find_edges(mean[groups == group], num_bins[1]) for group in range(num_bins[0])])
    cells = groups * num_bins[1] + _digitize(mean, groups, mean_edges)
    order = np.argsort(cells, kind="stable")
    bounds = np.searchsorted(cells[order], np.arange(num_bins[0] * num_bins[1] + 1))
    tails = [end for level in levels for end in ((1 - level) / 2, (1 + level) / 2)]
    ends = np.full((len(bounds) - 1, len(tails)), np.nan)
    for cell in np.unique(cells):
        members = order[bounds[cell] : bounds[cell + 1]]
        ends[cell] = np.quantile(change[members], tails, weights=shares[members], method="inverted_cdf")
    found = ends.reshape(*num_bins, len(levels), 2)
    return Calibration(spread_edges, mean_edges, {level: found[..., i, :] for i, level in enumerate(levels)})


class ConformalIntervals:
    """Intervals of one level for the maps of a network, by the class that scans are translated to.

    Args:
        calibrations: by class.
        level: probability that an interval is to hold the change.
        origin: what the calibrated maps were made with, from `describe_sampling`.
        preprocessing: how scans become network input here; the check compares it with `origin`.

    Raises:
        ValueError: When the calibration has no such level.
    """

    def __init__(
        self,
        calibrations: Mapping[int, Calibration],
        level: float,
        origin: Mapping[str, Any],
        preprocessing: Mapping[str, Any] | None = None,
    ) -> None:
        levels = sorted({known for calibration in calibrations.values() for known in calibration.ends})
        if level not in levels:
            raise ValueError(f"interval_level must be one of {', '.join(map(str, levels))}, as in the calibration, got {level}")
        self.calibrations, self.level = dict(calibrations), level
        self.origin, self.preprocessing = dict(origin), dict(preprocessing or {})

    def check(self, origin: Mapping[str, Any], targets: Sequence[int]) -> None:
        """Refuse maps that the calibration is not of.

        Args:
            origin: what the maps are made with, from `describe_sampling`.
            targets: classes that scans may be translated to.

        Raises:
            ValueError: When they are made with something else, or there is no calibration of a class.
        """
        for name, value in origin.items():
            if self.origin.get(name) != value:
                raise ValueError(f"the calibration is of {name} {self.origin.get(name)}, and here it is {value}: {REMEDY}")
        if missing := sorted(set(targets) - set(self.calibrations)):
            raise ValueError(f"the calibration holds no change towards class {missing[0]}: {REMEDY}")

    def find(self, mean: Tensor, variance: Tensor, target: Tensor, inside: Tensor) -> Tensor:
        """Return both ends of the intervals, shape (2, B, C, H, W[, D]), network intensity.

        Where validation scans hardly ever change, both are 0, however small the map is there.

        Args:
            mean: mean maps, shape (B, C, H, W[, D]).
            variance: their variance, same shape.
            target: classes that scans are translated to, shape (B,).
            inside: voxels of the brain, same shape as `mean`; of others both ends are 0.
        """
        ends = torch.zeros(2, *mean.shape, dtype=mean.dtype, device=mean.device)
        for index, label in enumerate(target.tolist()):
            chosen = inside[index]
            values, spread = (image[index][chosen].double().cpu().numpy() for image in (mean, variance.sqrt()))
            ends[:, index, chosen] = torch.from_numpy(self.calibrations[label].find(values, spread, self.level)).to(ends)
        return ends


def save_calibrations(path: str | Path, calibrations: Mapping[int, Calibration], origin: Mapping[str, Any]) -> None:
    """Save the calibrations of a network.

    Args:
        path: name of the file.
        calibrations: by the class that scans are translated to.
        origin: what the maps were made with.
    """
    content = {
        label: {"spread_edges": torch.from_numpy(each.spread_edges), "mean_edges": torch.from_numpy(each.mean_edges)}
        | {"ends": {level: torch.from_numpy(ends.copy()) for level, ends in each.ends.items()}}
        for label, each in calibrations.items()
    }
    save_tensors(path, {"calibrations": content, "origin": dict(origin)})


def load_intervals(
    path: str | Path | None, level: float = 0.9, preprocessing: Mapping[str, Any] | None = None
) -> ConformalIntervals | None:
    """Load intervals that an evaluation has calibrated.

    Args:
        path: file from `save_calibrations`; None for none.
        level: probability that an interval is to hold the change.
        preprocessing: how scans become network input, which must be as in the evaluation.

    Returns:
        The intervals; None without a file.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no such file, or has no such level, or that is no probability.
    """
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise ValueError(f"interval_level must be a probability above 0 and below 1, got {level!r}")
    if path is None:
        return None
    if not Path(path).is_file():
        raise FileNotFoundError(f"calibration {path} does not exist: {REMEDY}")
    content = load_tensors(path, "cpu", REMEDY)
    if not isinstance(content, dict) or content.keys() != {"calibrations", "origin"}:
        raise ValueError(f"{path} holds no calibration: {REMEDY}")
    calibrations = {}
    for label, each in content["calibrations"].items():
        ends = {known: found.numpy() for known, found in each["ends"].items()}
        calibrations[label] = Calibration(each["spread_edges"].numpy(), each["mean_edges"].numpy(), ends)
    return ConformalIntervals(calibrations, level, content["origin"], preprocessing)


def _find_edges(values: np.ndarray, num_bins: int) -> np.ndarray:
    """Return the edges of groups of equally many values, shape (num_bins - 1,); minus infinity in place of the smallest value."""
    if not values.size:
        return np.full(num_bins - 1, -np.inf)
    edges = np.quantile(values, np.linspace(0, 1, num_bins + 1)[1:-1], method="higher")  # values, so there is no gap
    return np.where(edges > values.min(), edges, -np.inf)


def _digitize(values: np.ndarray, groups: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the position of each value (V,) among the edges of its group, a row of `edges`."""
    positions = np.zeros(values.shape, int)
    for group, row in enumerate(edges):
        members = groups == group
        positions[members] = np.digitize(values[members], row)
    return positions
