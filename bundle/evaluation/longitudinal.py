"""Two scans of one participant: each is translated with the attribute of the other.

Converters, of which one scan is of an earlier class than the other, should change as they did between the scans; participants
whose scans are of one class (repeats) should not change.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bundle.attribution import exemplar_maps
from bundle.evaluation.bootstrap import Bootstrap, mean_of, ratio_of_means
from bundle.evaluation.explainers import TranslatingExplainer
from bundle.evaluation.ground_truth.truths import find_truths
from bundle.evaluation.map_metrics.regions import Regions
from bundle.evaluation.map_metrics.scores import score_maps
from bundle.evaluation.map_metrics.volumes import Ventricles
from bundle.evaluation.names import PAIRS
from bundle.evaluation.progress import Share
from bundle.evaluation.split import REPEAT
from bundle.ranks import share_work
from bundle.structures import AttributionMaps

METHOD = "longitudinal"
TABLES = ("scans", "pairs", "volumes", "regions")
Rows = list[dict[str, Any]]


class Longitudinal:
    """Score the maps between two scans of one participant, in both directions.

    Source: Bass et al., NeurIPS 2020, Sec. 4.2 (https://arxiv.org/abs/2006.08287), ADNI: converters as their own references.

    Args:
        explainer: test split and network.
        ventricles: how volumes are measured.
        regions: how regions are; None for not at all.
    """

    def __init__(self, explainer: TranslatingExplainer, ventricles: Ventricles, regions: Regions | None = None) -> None:
        self.explainer, self.split, self.ventricles, self.regions = explainer, explainer.split, ventricles, regions

    def run(self, attribute: Tensor | None = None, share: Share = share_work) -> dict[str, Rows]:
        """Score the maps of all scans whose participant has another one.

        Args:
            attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).
            share: computes batches.

        Returns:
            Rows of the tables `scans`, `pairs`, `volumes` and `regions`; empty without pairs.
        """
        batches = list(self.split.batches(sorted(self.split.pairs)))
        parts = share(batches, lambda batch: self._score_batch(batch, attribute), "pairs of scans", "batch")
        return {name: [row for part in parts for row in part[name]] for name in TABLES}

    def _score_batch(self, indices: Sequence[int], attribute: Tensor | None) -> dict[str, Rows]:
        tables: dict[str, Rows] = {name: [] for name in TABLES}
        maps = self.make_maps(indices, attribute)
        for index, mean, translated in zip(indices, maps.mean.cpu(), maps.translated.cpu(), strict=True):
            scan, pair = self.split.load(index), self.split.describe_pair(index)
            about = self.split.describe(index) | {"reference": pair["participant_id"], "direction": pair["direction"]}
            other = scan._replace(label=pair["pair_label"])
            truths = find_truths(scan, other, {}) if scan.disease_map is not None else []
            tables["scans"] += [about | row for row in score_maps({METHOD: mean}, truths, scan.brain_mask)]
            tables["pairs"].append(pair | {"mean_absolute_map": float(mean[scan.brain].abs().mean())})
            if self.regions is not None:
                tables["regions"] += self.regions.measure(index, pair["pair_label"], {METHOD: mean})
            if self.ventricles.covers(index):
                tables["volumes"].append(self.ventricles.compare(index, METHOD, translated - mean, translated))
        return tables

    def make_maps(self, indices: Sequence[int], attribute: Tensor | None = None) -> AttributionMaps:
        """Translate scans with the attribute of the same participant's other scan, against their own reconstruction."""
        others = [self.split.pairs[i] for i in indices]
        target = torch.from_numpy(self.split.labels[others])
        return exemplar_maps(self.explainer.encode_batch(indices), self.explainer.find_exemplars(others, attribute), target)


def summarise_pairs(pairs: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Return the rows of `metrics.csv` on `pairs.csv`: how large the maps of converters and of repeats are.

    For each split: `map_of_converters` and `map_of_repeats`, mean absolute maps, and `repeat_ratio`, the second over the first;
    what has no participants is left out. A participant counts once, with the mean over both directions, and is drawn as a whole
    in the bootstrap.
    """
    rows = []
    for split, group in pairs.groupby("split", sort=False):
        people = group.groupby(["participant_id", "kind"], sort=False)["mean_absolute_map"].mean().reset_index()
        values, repeats = people["mean_absolute_map"].to_numpy(), (people["kind"] == REPEAT).to_numpy()
        for metric, part in (("map_of_converters", ~repeats), ("map_of_repeats", repeats)):
            if part.any():
                rows.append({"split": split, "metric": metric} | bootstrap.estimate(mean_of(values[part]), int(part.sum())))
        if repeats.any() and not repeats.all():
            figures = bootstrap.estimate(ratio_of_means(values, repeats), len(values), strata=repeats)
            rows.append({"split": split, "metric": "repeat_ratio"} | figures)
    return pd.DataFrame(rows).assign(protocol=PAIRS, method=METHOD, direction="", std=np.nan)
