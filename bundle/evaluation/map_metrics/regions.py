"""How much of the true change of each brain region a map shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from bundle.evaluation.bootstrap import Bootstrap, mean_of, ratio_of_sums
from bundle.evaluation.ground_truth.changes import find_changes
from bundle.evaluation.known_scans import Scan
from bundle.evaluation.map_metrics.volumes import dilate, expand_edges
from bundle.evaluation.names import REGIONS
from bundle.evaluation.split import Split
from bundle.metrics import compute_ncc


class Regions:
    """Compare maps with the true change, region by region, for scans with a disease map and labelled regions.

    Args:
        split: the split; scans with `regions` and `disease_map`.
        voxel_size: edge of a voxel in mm, for all axes or one an axis.
        dilation: distance from a region within which its change is seen, mm: what grows or shrinks moves its border.
        names: names of the labels 1, 2, ...; others are called by their number.
    """

    def __init__(
        self, split: Split, voxel_size: float | Sequence[float] = 1.0, dilation: float = 5.0, names: Sequence[str] = ()
    ) -> None:
        self.split, self.edges, self.dilation, self.names = split, np.atleast_1d(voxel_size).tolist(), dilation, list(names)

    def measure(self, index: int, target: int, maps: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """Return the rows of `regions.csv` on the maps of a scan towards a class; none where its change is not known.

        Args:
            index: position of the scan.
            target: class that it is translated to.
            maps: by method, network intensity, shape (C, H, W[, D]).

        Returns:
            For each method and region the NCC of map and true change within `dilation` of the region, and the sums from which
            `drawn` is computed: of their products, and of the squared true change.
        """
        scan = self.split.load(index)
        changes = None if scan.regions is None or scan.disease_map is None else find_changes(scan, target, {})
        if changes is None:
            return []
        truth, about = changes.mean(), self.split.describe(index) | {"direction": self.split.name_direction(scan.label, target)}
        rows = []
        for name, inside in self.mark(scan).items():
            for method, image in maps.items():
                figures = {
                    "ncc": float(compute_ncc(image[None], truth[None], inside[None])),
                    "product": float((image * truth)[inside].double().sum()),
                    "true_square": float(truth[inside].double().square().sum()),
                }
                rows.append(about | {"method": method, "region": name} | figures)
        return rows

    def mark(self, scan: Scan) -> dict[str, Tensor]:
        """Return what lies within `dilation` of each region of a scan with regions, by name, (C, H, W[, D])."""
        assert scan.regions is not None
        labels = scan.regions.round().int()
        size = expand_edges(self.edges, labels.ndim - 1)
        marked = {}
        for label in labels[labels > 0].unique().tolist():
            name = self.names[label - 1] if label <= len(self.names) else f"region-{label}"
            marked[name] = dilate(labels == label, size, self.dilation)
        return marked


def summarise_regions(table: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Return the rows of `metrics.csv` on `regions.csv`: for each split, method and direction `drawn_` and `ncc_` of each region.

    `drawn` is the change drawn over the true change: the slope of the map over the true change through zero, over the voxels of
    all scans; 1 where all of it is drawn, in the right place.
    """
    rows = []
    for (split, method, direction, region), group in table.groupby(["split", "method", "direction", "region"], sort=False):
        about = {"split": split, "method": method, "direction": direction}
        sums = (group[name].to_numpy() for name in ("product", "true_square"))
        rows.append(about | {"metric": f"drawn_{region}"} | bootstrap.estimate(ratio_of_sums(*sums), len(group)))
        values = group["ncc"].dropna().to_numpy()
        if len(values):
            rows.append(about | {"metric": f"ncc_{region}"} | bootstrap.estimate(mean_of(values), len(values)))
    return pd.DataFrame(rows).assign(protocol=REGIONS, std=np.nan)
