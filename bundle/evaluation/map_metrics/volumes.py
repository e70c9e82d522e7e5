"""Ventricle volume, measured in the same way on scans and on images that a network decodes.

The volume is the sum of the CSF fraction over the neighbourhood of the ventricles: the labelled ventricles of the scan itself,
dilated by a few millimetres so that ventricles which have grown or shrunk lie inside. The fraction falls linearly from 1 at the
CSF peak to 0 at the grey matter peak, which counts partial volumes; the peaks are those of the real scan inside its brain, for
the scan and for everything that is decoded from it, because intensities of both have one scale. What CSF there is beside the
ventricles adds a constant, which cancels in changes.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import pandas as pd
import torch
from monai.utils import ensure_tuple_rep
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from bundle.evaluation.bootstrap import Bootstrap, correlation, ratio_of_sums
from bundle.evaluation.names import PAIRS
from bundle.evaluation.split import CONVERTER, Split
from bundle.simulation.tissues import compute_tissue_fractions, estimate_tissue_peaks

VENTRICLES = (1, 2)  # left and right lateral ventricle in the label maps
NUM_SAMPLES = 20_000  # voxels from which the peaks are estimated
CUBIC_MM = 1e-3  # ml


class Ventricles:
    """Measure ventricles of the scans of a split, and of images on their grids.

    Args:
        split: the split; scans with `regions`, and `brain_mask` where there is one.
        voxel_size: edge of a voxel in mm, for all axes or one an axis; a slice counts as thick as its first edge.
        dilation: distance from the labelled ventricles within which CSF is counted, mm.
    """

    def __init__(self, split: Split, voxel_size: float | Sequence[float] = 1.0, dilation: float = 5.0) -> None:
        self.split, self.edges, self.dilation = split, np.atleast_1d(voxel_size).tolist(), dilation
        self._peaks: dict[int, np.ndarray] = {}
        self._volumes: dict[int, tuple[float, float]] = {}

    def describe(self) -> dict[str, Any]:
        """Return the settings, for `settings.json`."""
        return {"voxel_size": self.edges, "dilation": self.dilation}

    def measure(self, index: int, *images: Tensor) -> list[float]:
        """Return the ventricle volume, ml, in images on the grid of a scan, each of shape (C, H, W[, D])."""
        scan = self.split.load(index)
        assert scan.regions is not None
        if index not in self._peaks:
            self._peaks[index] = find_peaks(scan.image, scan.brain_mask)
        size, volume = self._find_voxel(scan.image)
        inside = mark_neighbourhood(scan.regions, size, self.dilation)
        fluid = [compute_tissue_fractions(image[inside].double().numpy(), self._peaks[index])[0] for image in images]
        return [float(fraction.sum(dtype=np.float64)) * volume for fraction in fluid]

    def measure_scan(self, index: int) -> tuple[float, float]:
        """Return the ventricle volume of a real scan, ml: from its intensities, and from its label map."""
        if index not in self._volumes:
            scan = self.split.load(index)
            assert scan.regions is not None
            labelled = float(label_ventricles(scan.regions).sum()) * self._find_voxel(scan.image)[1]
            self._volumes[index] = self.measure(index, scan.image)[0], labelled
        return self._volumes[index]

    def covers(self, index: int, target: int | None = None) -> bool:
        """Return whether a scan and the participant's other one, of class `target` if given, have labelled ventricles."""
        other = self.split.pairs.get(index)
        if other is None or (target is not None and self.split.labels[other] != target):
            return False
        return all("regions" in self.split.rows[i] for i in (index, other))

    def compare(self, index: int, method: str, reconstruction: Tensor, translated: Tensor) -> dict[str, Any]:
        """Compare the change of ventricle volume by a translation with that between two scans of a participant.

        Args:
            index: position of the scan that is translated.
            method: what translated it.
            reconstruction: the network's reconstruction of the scan, shape (C, H, W[, D]).
            translated: the translated scan, same shape.

        Returns:
            The row of `volumes.csv`. Volumes are in ml: of the scan (own), its reconstruction, its translation, and the other
            scan (pair), all measured; `change` is translated less reconstruction, `true_change` pair less own, and `label` and
            `label_change` are those of the label maps.
        """
        (own, own_label), (pair, pair_label) = self.measure_scan(index), self.measure_scan(self.split.pairs[index])
        before, after = self.measure(index, reconstruction, translated)
        volumes = {
            "own_ml": own,
            "reconstruction_ml": before,
            "translated_ml": after,
            "pair_ml": pair,
            "change_ml": after - before,
            "true_change_ml": pair - own,
            "label_ml": own_label,
            "label_change_ml": pair_label - own_label,
        }
        return self.split.describe_pair(index) | {"method": method} | volumes

    def _find_voxel(self, image: Tensor) -> tuple[tuple[float, ...], float]:
        """Return the edges of a voxel, mm, and its volume, ml."""
        size = expand_edges(self.edges, image.ndim - 1)
        return size, prod((*size, size[0])[:3]) * CUBIC_MM


def find_peaks(image: Tensor, brain_mask: Tensor | None) -> np.ndarray:
    """Return the intensities of CSF, grey and white matter of a scan inside its brain, or its foreground, ascending, (3,)."""
    inside = image > -1 if brain_mask is None else brain_mask > 0.5
    values = image[inside].double().numpy()
    return estimate_tissue_peaks(values[:: max(1, len(values) // NUM_SAMPLES)])


def label_ventricles(regions: Tensor) -> Tensor:
    """Mark the lateral ventricles in a label map of shape (C, H, W[, D])."""
    return torch.isin(regions.round(), torch.tensor(VENTRICLES, dtype=regions.dtype))


def mark_neighbourhood(regions: Tensor, voxel_size: Sequence[float], dilation: float) -> Tensor:
    """Mark the lateral ventricles in a label map (C, H, W[, D]), and what lies within `dilation` (mm) of them."""
    inside = label_ventricles(regions)
    if not inside.any():
        return inside
    return dilate(inside, voxel_size, dilation)


def dilate(inside: Tensor, voxel_size: Sequence[float], dilation: float) -> Tensor:
    """Mark what lies within `dilation` (mm) of the voxels that are marked, some at least, both of shape (C, H, W[, D])."""
    return torch.from_numpy(distance_transform_edt(~inside[0].numpy(), sampling=tuple(voxel_size)) <= dilation)[None]


def expand_edges(edges: Sequence[float], spatial_dims: int) -> tuple[float, ...]:
    """Return the edge of a voxel along each axis, mm, from those of all axes or one of them all."""
    return ensure_tuple_rep(edges if len(edges) > 1 else edges[0], spatial_dims)


def summarise_volumes(volumes: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Return the rows of `metrics.csv` on `volumes.csv`: effects over converters, and the measure itself against the label maps.

    For each split, method and direction: `volume_correlation` of change with true change, and `volume_ratio`, the mean change
    over the mean true change. Of the method `measure`: `volume_vs_label`, the correlation of measured with labelled volumes over
    scans, and `change_vs_label`, that of their changes over converters.
    """
    rows = []
    converters = volumes[volumes["kind"] == CONVERTER]
    for (split, method, direction), group in converters.groupby(["split", "method", "direction"], sort=False):
        change, true = group["change_ml"].to_numpy(), group["true_change_ml"].to_numpy()
        about = {"split": split, "method": method, "direction": direction}
        rows.append(about | {"metric": "volume_correlation"} | bootstrap.estimate(correlation(change, true), len(group)))
        rows.append(about | {"metric": "volume_ratio"} | bootstrap.estimate(ratio_of_sums(change, true), len(group)))
    for split, group in volumes.drop_duplicates("scan").groupby("split", sort=False):
        changed = group[(group["kind"] == CONVERTER) & (group["label"] < group["pair_label"])]  # a participant once
        for metric, chosen, names in (
            ("volume_vs_label", group, ("own_ml", "label_ml")),
            ("change_vs_label", changed, ("true_change_ml", "label_change_ml")),
        ):
            figures = bootstrap.estimate(correlation(*(chosen[name].to_numpy() for name in names)), len(chosen))
            rows.append({"split": split, "method": "measure", "direction": "", "metric": metric} | figures)
    return pd.DataFrame(rows).assign(protocol=PAIRS, std=np.nan)
