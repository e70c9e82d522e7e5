"""Scores of the maps of one scan, and their summary over scans."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from bundle.evaluation.bootstrap import Bootstrap
from bundle.evaluation.ground_truth.truths import Truth
from bundle.evaluation.names import AGAINST_CHANGE, COLUMNS, MAP_METRICS, find_kind
from bundle.metrics import compute_auprc, compute_ncc, compute_pointing, find_extent


def score_maps(maps: Mapping[str, Tensor], truths: Sequence[Truth], brain_mask: Tensor | None) -> list[dict[str, str | float]]:
    """Compare the maps of a scan with the truths of their kind.

    Trivial and post-hoc maps are compared with every truth. In the paired protocol they have a second row,
    `<method>_vs_change`, against the truth of the sampled maps, where their first is against that of the exemplar maps.

    A row has the NCC over the whole image and, given a mask, in the brain, and how well the map finds the extent of the truth.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287).
    """
    rows: list[dict[str, str | float]] = []
    for truth in truths:
        extent = find_extent(truth.image[None])
        for method in (method for method in maps if truth.kind == "both" or find_kind(method) in (truth.kind, "both")):
            name = method + AGAINST_CHANGE if truth.kind == "sampled" and find_kind(method) == "both" else method
            row: dict[str, str | float] = {"protocol": truth.protocol, "method": name, "truth": truth.name}
            images = maps[method][None], truth.image[None]  # one map at a time: copies in double precision are large in 3D
            row["ncc_image"] = float(compute_ncc(*images))
            if brain_mask is not None:
                row["ncc_brain"] = float(compute_ncc(*images, brain_mask[None]))
            row["auprc"] = float(compute_auprc(images[0], extent))
            row["pointing"] = float(compute_pointing(images[0], extent))
            rows.append(row)
    return rows


def summarise_scores(scans: pd.DataFrame, bootstrap: Bootstrap, metrics: Sequence[str] = MAP_METRICS) -> pd.DataFrame:
    """Summarise the scores of a table with one row a scan, protocol, method and direction over scans.

    Columns are `COLUMNS`, less `cohort`; NaN scores are left out and `n` counts the others.
    """
    rows = []
    keys = ["split", "protocol", "method", "direction"]
    for names, group in scans.groupby(keys, sort=False):
        for metric in (metric for metric in metrics if metric in scans):
            values = group[metric].to_numpy(dtype=np.float64)
            kept = values[~np.isnan(values)]
            low, high = bootstrap.find_interval(kept)
            figures = {"mean": kept.mean() if kept.size else np.nan, "std": kept.std(ddof=1) if kept.size > 1 else np.nan}
            figures |= {"ci_low": low, "ci_high": high, "n": kept.size}
            rows.append(dict(zip(keys, names, strict=True)) | {"metric": metric} | figures)
    return pd.DataFrame(rows, columns=list(COLUMNS[1:]))
