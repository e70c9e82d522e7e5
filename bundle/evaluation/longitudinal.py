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
from tqdm import tqdm

from bundle.attribution import exemplar_maps
from bundle.evaluation.comparison import Comparison, Scores
from bundle.evaluation.encoding import split_range, stack_images
from bundle.evaluation.estimates import estimate, mean_of, ratio_of_means
from bundle.evaluation.pairing import PAIRS, REPEAT
from bundle.evaluation.scoring import score_maps
from bundle.evaluation.truths import find_truths
from bundle.evaluation.volumes import compare_volumes
from bundle.structures import AttributionMaps

METHOD = "longitudinal"


class Longitudinal:
    """Score the maps between two scans of one participant, in both directions.

    Source: Bass et al., NeurIPS 2020, Sec. 4.2 (https://arxiv.org/abs/2006.08287), ADNI: converters as their own references.

    Args:
        comparison: test split, network and pairs.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def run(self, attribute: Tensor) -> tuple[Scores, list[dict[str, Any]]]:
        """Score the maps of all scans whose participant has another one.

        Args:
            attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).

        Returns:
            Scores as of the other maps, and the rows of `pairs.csv`; empty without pairs.
        """
        scores, pairs = Scores([], []), []
        indices = sorted(self.comparison.pairs)
        batches = list(split_range(len(indices), self.comparison.batch_size))
        for positions in tqdm(batches, desc="pairs of scans", unit="batch", disable=not batches):
            chosen = [indices[i] for i in positions]
            maps = self.make_maps(chosen, attribute)
            for position, index in enumerate(chosen):
                mean, translated = maps.mean[position].cpu(), maps.translated[position].cpu()
                scores.add(self._score_scan(index, mean, translated))
                pairs.append(self.comparison.describe_pair(index) | {"mean_absolute_map": self._average(index, mean)})
        return scores, pairs

    def make_maps(self, indices: Sequence[int], attribute: Tensor) -> AttributionMaps:
        """Translate scans with the attribute of the same participant's other scan, against their own reconstruction.

        Args:
            indices: positions in the test split, of scans that have a pair.
            attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).
        """
        comparison = self.comparison
        others = [comparison.pairs[i] for i in indices]
        image = stack_images([comparison.test[i] for i in indices]).to(comparison.device)
        target = torch.tensor([int(comparison.test.data[i]["label"]) for i in others])
        views: dict[str, Any] = {"viewing": comparison.sampling["viewing"], "mirrored": comparison.mirror(others)}
        return exemplar_maps(comparison.network, image, attribute[others].to(comparison.device), target, **views)

    def _score_scan(self, index: int, mean: Tensor, translated: Tensor) -> Scores:
        comparison, other = self.comparison, self.comparison.pairs[index]
        scan, pair = comparison.load(index), comparison.describe_pair(index)
        truths = find_truths(scan, comparison.test.data[other], {}) if "disease_map" in scan else []
        about = comparison.describe(index) | {"reference": pair["participant_id"], "direction": pair["direction"]}
        scans = [about | row for row in score_maps({METHOD: mean}, truths, scan.get("brain_mask"))]
        if not comparison.has_volumes(index):
            return Scores(scans, [])
        volumes = compare_volumes(comparison.ventricles, index, other, translated - mean, translated)
        return Scores(scans, [pair | {"method": METHOD} | volumes])

    def _average(self, index: int, mean: Tensor) -> float:
        """Return the mean magnitude of a map inside the brain, or over the whole image without a brain mask."""
        scan = self.comparison.load(index)
        return float(mean[scan["brain_mask"] > 0.5].abs().mean() if "brain_mask" in scan else mean.abs().mean())


def summarise_pairs(pairs: pd.DataFrame, **interval: Any) -> pd.DataFrame:
    """Summarise how large the maps of converters and of repeats are.

    A participant counts once, with the mean over both directions, and is drawn as a whole in the bootstrap.

    Args:
        pairs: contents of `pairs.csv`.
        interval: `level`, `num_resamples` and `seed` of the bootstrap, as in `estimate`.

    Returns:
        Rows of `metrics.csv` of the method `longitudinal`: for each split `map_of_converters` and `map_of_repeats`, mean
        absolute maps, and `repeat_ratio`, the second over the first; what has no participants is left out.
    """
    rows = []
    for split, group in pairs.groupby("split", sort=False):
        people = group.groupby(["participant_id", "kind"], sort=False)["mean_absolute_map"].mean().reset_index()
        values, repeats = people["mean_absolute_map"].to_numpy(), (people["kind"] == REPEAT).to_numpy()
        for metric, part in (("map_of_converters", ~repeats), ("map_of_repeats", repeats)):
            if part.any():
                rows.append({"split": split, "metric": metric} | estimate(mean_of(values[part]), int(part.sum()), **interval))
        if repeats.any() and not repeats.all():
            figures = estimate(ratio_of_means(values, repeats), len(values), strata=repeats, **interval)
            rows.append({"split": split, "metric": "repeat_ratio"} | figures)
    return pd.DataFrame(rows).assign(protocol=PAIRS, method=METHOD, direction="", std=np.nan)
