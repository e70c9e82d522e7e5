"""Regression of the age, and translation to a target age (ICAM with regression)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from monai.networks.utils import eval_mode
from torch import Tensor

from bundle.attribution import value_maps
from bundle.evaluation.bootstrap import Bootstrap, correlation, determination, mean_of
from bundle.evaluation.explainers import TranslatingExplainer
from bundle.evaluation.ground_truth.truths import find_own_change
from bundle.evaluation.map_metrics.scores import score_maps
from bundle.evaluation.names import AGES
from bundle.evaluation.progress import Share
from bundle.ranks import share_work
from bundle.structures import AttributionMaps

METHOD = "to_age"


class Ages:
    """Predict the age of scans and translate them to other ages.

    The network regresses (age - mean) / scale.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 and 4.4 (https://arxiv.org/abs/2006.08287).

    Args:
        explainer: test split and network.
        mean: age that the network regresses as 0, years.
        scale: years that it regresses as 1.
    """

    def __init__(self, explainer: TranslatingExplainer, mean: float = 0.0, scale: float = 1.0) -> None:
        self.network, self.split, self.device = explainer.network, explainer.split, explainer.device
        self.encode_batch = explainer.encode_batch
        self.mean, self.scale = mean, scale

    def describe(self) -> dict[str, Any]:
        """Return the settings, for `settings.json`."""
        return {"value_mean": self.mean, "value_scale": self.scale}

    def list_gaps(self) -> list[str]:
        """Return a sentence when the network regresses the age and the cohort has none."""
        aged = self.network.attribute_encoder.regressor is None or any("age" in row for row in self.split.rows)
        return [] if aged else ["no column age: the regression is not scored"]

    def run(self, attribute: Tensor, share: Share = share_work) -> dict[str, list[dict[str, Any]]]:
        """Predict ages, and translate every scan that has a column `target_age` to that age.

        Args:
            attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).
            share: computes batches.

        Returns:
            Rows of the tables `scans`, for scans with the exact map of that change, and `ages`; both are empty without a
            regressor and without ages.
        """
        aged = [i for i, row in enumerate(self.split.rows) if "age" in row]
        if self.network.attribute_encoder.regressor is None or not aged:
            return {"scans": [], "ages": []}
        rows = {}
        for index, predicted in zip(aged, self.predict(attribute[aged]), strict=True):
            row = self.split.rows[index]
            ages = {key: float(row[key]) for key in ("age", "target_age") if key in row}
            rows[index] = self.split.describe(index) | ages | {"predicted_age": predicted}
        batches = list(self.split.batches([i for i in aged if "target_age" in rows[i]]))
        parts = share(batches, self._translate_batch, "maps to ages", "batch")
        for indices, (reached, _) in zip(batches, parts, strict=True):
            for index, age in zip(indices, reached, strict=True):
                rows[index]["translated_age"] = age
        return {"scans": [row for _, scores in parts for row in scores], "ages": list(rows.values())}

    def _translate_batch(self, indices: Sequence[int]) -> tuple[list[float], list[dict[str, Any]]]:
        """Return the ages that scans reach by translation to their target ages, and the scores of their maps."""
        scores: list[dict[str, Any]] = []
        maps = self.make_maps(indices)
        with eval_mode(self.network), torch.inference_mode():
            reached = self.predict(self.network.attribute_encoder(maps.translated)[0])
        for index, mean in zip(indices, maps.mean.cpu(), strict=True):
            scan, row = self.split.load(index), self.split.rows[index]
            direction = "+" if float(row["target_age"]) > float(row["age"]) else "-"
            about = self.split.describe(index) | {"reference": "", "direction": direction}
            scores += [about | row for row in score_maps({METHOD: mean}, find_own_change(scan), scan.brain_mask)]
        return reached, scores

    def predict(self, attribute: Tensor) -> list[float]:
        """Return the ages in years that the network regresses from attributes of shape (B, 1, H/16, W/16[, D/16])."""
        with eval_mode(self.network), torch.inference_mode():
            values = self.network.attribute_encoder.regress(attribute.to(self.device))
        return (values.double() * self.scale + self.mean).tolist()

    def make_maps(self, indices: Sequence[int]) -> AttributionMaps:
        """Translate test scans that have a target age to it, in every view, against their own reconstruction."""
        ages = torch.tensor([float(self.split.rows[i]["target_age"]) for i in indices])
        return value_maps(self.encode_batch(indices), (ages - self.mean) / self.scale)


def summarise_ages(ages: pd.DataFrame, training_mean: float, bootstrap: Bootstrap) -> pd.DataFrame:
    """Return the rows of `metrics.csv` on `ages.csv`: how well ages are predicted, and reached by translation.

    For each split: `mae` in years and `r2` of the methods `regressor` and `training_mean` (years), and `mae` and `correlation` of
    the predicted ages of translated scans with the target ages, of the method `to_age`.
    """
    rows = []
    for split, group in ages.groupby("split", sort=False):
        age = group["age"].to_numpy()
        predictions = {"regressor": group["predicted_age"].to_numpy(), "training_mean": np.full(len(age), training_mean)}
        for method, predicted in predictions.items():
            about = {"split": split, "method": method}
            rows.append(about | {"metric": "mae"} | bootstrap.estimate(mean_of(np.abs(predicted - age)), len(age)))
            rows.append(about | {"metric": "r2"} | bootstrap.estimate(determination(age, predicted), len(age)))
        translated = group.dropna(subset=["translated_age"]) if "translated_age" in group else group.iloc[:0]
        if count := len(translated):
            wanted, reached = translated["target_age"].to_numpy(), translated["translated_age"].to_numpy()
            about = {"split": split, "method": METHOD}
            rows.append(about | {"metric": "mae"} | bootstrap.estimate(mean_of(np.abs(reached - wanted)), count))
            rows.append(about | {"metric": "correlation"} | bootstrap.estimate(correlation(wanted, reached), count))
    return pd.DataFrame(rows).assign(protocol=AGES, direction="", std=np.nan)
