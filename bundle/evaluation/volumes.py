"""Ventricle volume, measured in the same way on scans and on what a network draws.

The volume is the sum of the CSF fraction over the neighbourhood of the ventricles: the labelled ventricles of the scan itself,
dilated by a few millimetres so that ventricles which have grown or shrunk lie inside. The fraction falls linearly from 1 at the
CSF peak to 0 at the grey matter peak, which counts partial volumes; the peaks are those of the real scan inside its brain, for
the scan and for everything that is drawn from it, because intensities of both have one scale. What CSF there is beside the
ventricles adds a constant, which cancels in changes.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from bundle.evaluation.estimates import correlation, estimate, ratio_of_sums
from bundle.evaluation.pairing import CONVERTER, PAIRS, Row
from bundle.simulation.tissues import compute_tissue_fractions, estimate_tissue_peaks

VENTRICLES = (1, 2)  # left and right lateral ventricle in the label maps
NUM_SAMPLES = 20_000  # voxels from which the peaks are estimated
CUBIC_MM = 1e-3  # ml


class VentricleVolume(NamedTuple):
    """Ventricle volume of a real scan.

    Attributes:
        measured: from its intensities, ml.
        labelled: from its label map, ml.
    """

    measured: float
    labelled: float


class Ventricles:
    """Measure ventricles of scans of a split and of images on their grids.

    Args:
        load: gives a scan by its position: `image`, `regions`, and `brain_mask` where there is one.
        voxel_size: edges of a voxel, mm; a slice counts as thick as its first edge.
        dilation: distance from the labelled ventricles within which CSF is counted, mm.
    """

    def __init__(self, load: Callable[[int], Row], voxel_size: Sequence[float], dilation: float) -> None:
        self.load, self.voxel_size, self.dilation = load, tuple(voxel_size), dilation
        self.voxel_volume = prod((*self.voxel_size, self.voxel_size[0])[:3]) * CUBIC_MM  # ml
        self._peaks: dict[int, np.ndarray] = {}
        self._volumes: dict[int, VentricleVolume] = {}

    def measure(self, index: int, *images: Tensor) -> list[float]:
        """Return the ventricle volume in images drawn from a scan, ml.

        Args:
            index: position of the scan.
            images: images on its grid, intensities in [-1, 1], each of shape (C, H, W[, D]).
        """
        scan = self.load(index)
        if index not in self._peaks:
            self._peaks[index] = find_peaks(scan["image"], scan.get("brain_mask"))
        inside = mark_neighbourhood(scan["regions"], self.voxel_size, self.dilation)
        fluid = [compute_tissue_fractions(image[inside].double().numpy(), self._peaks[index])[0] for image in images]
        return [float(fraction.sum(dtype=np.float64)) * self.voxel_volume for fraction in fluid]

    def of_scan(self, index: int) -> VentricleVolume:
        """Return the ventricle volume of a real scan."""
        if index not in self._volumes:
            scan = self.load(index)
            labelled = float(label_ventricles(scan["regions"]).sum()) * self.voxel_volume
            self._volumes[index] = VentricleVolume(self.measure(index, scan["image"])[0], labelled)
        return self._volumes[index]


def find_peaks(image: Tensor, brain_mask: Tensor | None) -> np.ndarray:
    """Return the intensities of CSF, grey and white matter of a scan, shape (3,), ascending.

    Args:
        image: scan, intensities in [-1, 1], background -1, shape (C, H, W[, D]).
        brain_mask: 1 inside the brain, same shape; None for all that is not background.
    """
    inside = image > -1 if brain_mask is None else brain_mask > 0.5
    values = image[inside].double().numpy()
    return estimate_tissue_peaks(values[:: max(1, len(values) // NUM_SAMPLES)])


def label_ventricles(regions: Tensor) -> Tensor:
    """Mark the lateral ventricles in a label map of shape (C, H, W[, D])."""
    return torch.isin(regions.round(), torch.tensor(VENTRICLES, dtype=regions.dtype))


def mark_neighbourhood(regions: Tensor, voxel_size: Sequence[float], dilation: float) -> Tensor:
    """Mark the lateral ventricles and what lies within some distance of them.

    Args:
        regions: label map, shape (C, H, W[, D]).
        voxel_size: edges of a voxel, mm.
        dilation: the distance, mm.

    Returns:
        Booleans of the shape of `regions`; all False without ventricles.
    """
    inside = label_ventricles(regions)
    if not inside.any():
        return inside
    return torch.from_numpy(distance_transform_edt(~inside[0].numpy(), sampling=tuple(voxel_size)) <= dilation)[None]


def compare_volumes(
    ventricles: Ventricles, index: int, other: int, reconstruction: Tensor, translated: Tensor
) -> dict[str, float]:
    """Compare the change of ventricle volume by a translation with that between two scans of a participant.

    Args:
        ventricles: how volumes are measured.
        index: position of the scan that is translated.
        other: position of the participant's other scan.
        reconstruction: the network's reconstruction of the scan, shape (C, H, W[, D]).
        translated: the translated scan, same shape.

    Returns:
        Volumes by name, ml: of the scan (own), its reconstruction, its translation, and the other scan (pair), all measured;
        `change` is translated less reconstruction, `true_change` pair less own, and `label` and `label_change` are those of the
        label maps.
    """
    own, true = ventricles.of_scan(index), ventricles.of_scan(other)
    before, after = ventricles.measure(index, reconstruction, translated)
    return {
        "own_ml": own.measured,
        "reconstruction_ml": before,
        "translated_ml": after,
        "pair_ml": true.measured,
        "change_ml": after - before,
        "true_change_ml": true.measured - own.measured,
        "label_ml": own.labelled,
        "label_change_ml": true.labelled - own.labelled,
    }


def summarise_volumes(volumes: pd.DataFrame, **interval: Any) -> pd.DataFrame:
    """Summarise volume effects over converters, and the measure itself against the label maps.

    Args:
        volumes: contents of `volumes.csv`.
        interval: `level`, `num_resamples` and `seed` of the bootstrap over scans, as in `estimate`.

    Returns:
        Rows of `metrics.csv`: for each split, method and direction `volume_correlation` of change with true change, and
        `volume_ratio`, the mean change over the mean true change; of the method `measure` `volume_vs_label`, the correlation of
        measured with labelled volumes over scans, and `change_vs_label`, that of their changes over converters.
    """
    rows = []
    converters = volumes[volumes["kind"] == CONVERTER]
    for (split, method, direction), group in converters.groupby(["split", "method", "direction"], sort=False):
        change, true = group["change_ml"].to_numpy(), group["true_change_ml"].to_numpy()
        about = {"split": split, "method": method, "direction": direction}
        rows.append(about | {"metric": "volume_correlation"} | estimate(correlation(change, true), len(group), **interval))
        rows.append(about | {"metric": "volume_ratio"} | estimate(ratio_of_sums(change, true), len(group), **interval))
    for split, group in volumes.drop_duplicates("scan").groupby("split", sort=False):
        changed = group[(group["kind"] == CONVERTER) & (group["label"] < group["pair_label"])]  # a participant once
        for metric, chosen, names in (
            ("volume_vs_label", group, ("own_ml", "label_ml")),
            ("change_vs_label", changed, ("true_change_ml", "label_change_ml")),
        ):
            figures = estimate(correlation(*(chosen[name].to_numpy() for name in names)), len(chosen), **interval)
            rows.append({"split": split, "method": "measure", "direction": "", "metric": metric} | figures)
    return pd.DataFrame(rows).assign(protocol=PAIRS, std=np.nan)
