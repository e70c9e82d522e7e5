"""How much of the true change of each brain region a map shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bundle.atlases import check_atlas, load_atlas
from bundle.evaluation.bootstrap import Bootstrap, correlation, mean_of, ratio_of_sums
from bundle.evaluation.ground_truth.changes import find_changes
from bundle.evaluation.known_scans import Scan
from bundle.evaluation.map_metrics.volumes import dilate, expand_edges
from bundle.evaluation.names import REGIONS
from bundle.evaluation.split import Split
from bundle.metrics import compute_ncc


class Regions:
    """Compare maps with the true change, region by region, for scans with a disease map and labelled regions.

    Args:
        split: the split; scans with `disease_map`, and `regions` where no atlas is given.
        voxel_size: edge of a voxel in mm, for all axes or one an axis.
        dilation: distance from a region within which its change is seen, mm: what grows or shrinks moves its border.
        names: names of the labels 1, 2, ...; others are called by their number.
        atlas: atlas of `bundle.atlases`, for scans in MNI space, whose labels take the place of the scans' own; None for none.

    Raises:
        ValueError: When there is no such atlas.
    """

    def __init__(
        self,
        split: Split,
        voxel_size: float | Sequence[float] = 1.0,
        dilation: float = 5.0,
        names: Sequence[str] = (),
        atlas: str | None = None,
    ) -> None:
        self.split, self.edges, self.dilation, self.names = split, np.atleast_1d(voxel_size).tolist(), dilation, list(names)
        self.atlas = atlas
        if atlas is not None:
            check_atlas(atlas)

    def measure(self, index: int, target: int, maps: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """Return the rows of `regions.csv` on the maps of a scan towards a class; none where its change is not known.

        Args:
            index: position of the scan.
            target: class that it is translated to.
            maps: by method, network intensity, shape (C, H, W[, D]).

        Returns:
            For each method and region the NCC of map and true change within `dilation` of the region, the sums from which
            `drawn` is computed, of their products and of the squared true change, and the means of both over the region itself.
        """
        scan = self.split.load(index)
        changes = None if scan.disease_map is None else find_changes(scan, target, {})
        labels = None if changes is None else self._label(scan)
        if changes is None or labels is None:
            return []
        truth, about = changes.mean(), self.split.describe(index) | {"direction": self.split.name_direction(scan.label, target)}
        rows = []
        for label, (name, inside) in self.mark(labels).items():
            region = labels == label
            for method, image in maps.items():
                figures = {
                    "ncc": float(compute_ncc(image[None], truth[None], inside[None])),
                    "product": float((image * truth)[inside].double().sum()),
                    "true_square": float(truth[inside].double().square().sum()),
                    "mean": float(image[region].double().mean()),
                    "true_mean": float(truth[region].double().mean()),
                }
                rows.append(about | {"method": method, "region": name} | figures)
        return rows

    def mark(self, labels: Tensor) -> dict[int, tuple[str, Tensor]]:
        """Return the name of each region, and what lies within `dilation` of it, by label.

        Args:
            labels: labels of a scan, shape (C, H, W[, D]), int32.
        """
        size = expand_edges(self.edges, labels.ndim - 1)
        present = labels[labels > 0].unique().tolist()
        return {label: (self._name(label), dilate(labels == label, size, self.dilation)) for label in present}

    def _label(self, scan: Scan) -> Tensor | None:
        """Return the labels of a scan, int32; None where it has none."""
        if self.atlas is None:
            return None if scan.regions is None else scan.regions.round().int()
        assert scan.affine is not None
        shape = (*scan.image.shape[1:], 1)[:3]
        return torch.from_numpy(load_atlas(self.atlas).label(shape, scan.affine)).view_as(scan.image)

    def _name(self, label: int) -> str:
        """Return the name of a label."""
        if self.atlas is not None:
            region = load_atlas(self.atlas).regions[label]
            return region.name if region.side == "both" else f"{region.side}-{region.name}"
        return self.names[label - 1] if label <= len(self.names) else f"region-{label}"


def summarise_regions(table: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Return the rows of `metrics.csv` on `regions.csv`: for each split, method and direction three figures of each region.

    `drawn_` is the change drawn over the true change: the slope of the map over the true change through zero, over the voxels of
    all scans; 1 where all of it is drawn, in the right place. `ncc_` is the mean NCC, and `correlation_` Pearson's correlation
    over scans of the mean change drawn in the region with the true one, for each direction and for all (empty direction).
    """
    rows = []
    for (split, method, direction, region), group in table.groupby(["split", "method", "direction", "region"], sort=False):
        about = {"split": split, "method": method, "direction": direction}
        sums = (group[name].to_numpy() for name in ("product", "true_square"))
        rows.append(about | {"metric": f"drawn_{region}"} | bootstrap.estimate(ratio_of_sums(*sums), len(group)))
        rows += [about | row for row in _correlate(group, bootstrap)]
        values = group["ncc"].dropna().to_numpy()
        if len(values):
            rows.append(about | {"metric": f"ncc_{region}"} | bootstrap.estimate(mean_of(values), len(values)))
    for (split, method, _), group in table.groupby(["split", "method", "region"], sort=False):
        if group["direction"].nunique() > 1:
            rows += [{"split": split, "method": method, "direction": ""} | row for row in _correlate(group, bootstrap)]
    return pd.DataFrame(rows).assign(protocol=REGIONS, std=np.nan)


def _correlate(group: pd.DataFrame, bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """Return the correlation over the scans of one region; nothing for fewer than three."""
    if len(group) < 3:
        return []
    means = (group[name].to_numpy() for name in ("mean", "true_mean"))
    metric = f"correlation_{group['region'].iloc[0]}"
    return [{"metric": metric} | bootstrap.estimate(correlation(*means), len(group))]
