"""Regression of the age, and translation to a wanted age (ICAM with regression)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from monai.networks.utils import eval_mode
from torch import Tensor
from tqdm import tqdm

from bundle.attribution import translate_to_value
from bundle.evaluation.comparison import Comparison
from bundle.evaluation.encoding import split_range, stack_images
from bundle.evaluation.estimates import correlation, determination, estimate, mean_of
from bundle.evaluation.scoring import score_maps
from bundle.evaluation.truths import own_change
from bundle.structures import AttributionMaps

METHOD = "to_age"
AGES = "ages"  # protocol, in metrics.csv, of figures on ages


class Ages:
    """Predict the age of scans and translate them to other ages.

    The network regresses (age - mean) / scale.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 and 4.4 (https://arxiv.org/abs/2006.08287).

    Args:
        comparison: test split and network.
        mean: age that the network regresses as 0, years.
        scale: years that it regresses as 1.
    """

    def __init__(self, comparison: Comparison, mean: float = 0.0, scale: float = 1.0) -> None:
        self.comparison, self.mean, self.scale = comparison, mean, scale
        rows = comparison.test.data
        known = comparison.network.attribute_encoder.regressor is not None
        self.aged = [i for i, row in enumerate(rows) if known and "age" in row]
        self.asked = [i for i in self.aged if "target_age" in rows[i]]

    def run(self, attribute: Tensor) -> tuple[list[dict[str, Any]], pd.DataFrame]:
        """Predict ages, and translate every scan that has a column `target_age` to that age.

        Args:
            attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).

        Returns:
            Rows of `scans.csv`, for scans with the exact map of that change, and the contents of `ages.csv`; both are empty
            without a regressor and without ages.
        """
        predicted = self.predict(attribute[self.aged]) if self.aged else []
        rows = {index: self._describe(index, age) for index, age in zip(self.aged, predicted, strict=True)}
        scores = []
        batches = list(split_range(len(self.asked), self.comparison.batch_size))
        for positions in tqdm(batches, desc="maps to ages", unit="batch", disable=not batches):
            chosen = [self.asked[i] for i in positions]
            maps = self.make_maps(chosen)
            for index, mean, age in zip(chosen, maps.mean.cpu(), self._predict_images(maps.translated), strict=True):
                rows[index]["translated_age"] = age
                scores += self._score_scan(index, mean)
        return scores, pd.DataFrame(list(rows.values()))

    def predict(self, attribute: Tensor) -> list[float]:
        """Return the ages in years that the network regresses from attributes of shape (B, 1, H/16, W/16[, D/16])."""
        with eval_mode(self.comparison.network), torch.inference_mode():
            values = self.comparison.network.attribute_encoder.regress(attribute.to(self.comparison.device))
        return (values.double() * self.scale + self.mean).tolist()

    def make_maps(self, indices: Sequence[int]) -> AttributionMaps:
        """Translate scans to their wanted ages, against their own reconstruction.

        Args:
            indices: positions in the test split, of scans with a wanted age.
        """
        comparison = self.comparison
        image = stack_images([comparison.test[i] for i in indices]).to(comparison.device)
        ages = torch.tensor([float(comparison.test.data[i]["target_age"]) for i in indices])
        return translate_to_value(comparison.network, image, (ages - self.mean) / self.scale)

    def _predict_images(self, image: Tensor) -> list[float]:
        with eval_mode(self.comparison.network), torch.inference_mode():
            return self.predict(self.comparison.network.attribute_encoder(image)[0])

    def _describe(self, index: int, predicted: float) -> dict[str, Any]:
        row = self.comparison.test.data[index]
        ages = {key: float(row[key]) for key in ("age", "target_age") if key in row}
        return self.comparison.describe(index) | ages | {"predicted_age": predicted}

    def _score_scan(self, index: int, mean: Tensor) -> list[dict[str, Any]]:
        scan = self.comparison.load(index)
        if "disease_map" not in scan:
            return []
        direction = "+" if scan["target_age"] > scan["age"] else "-"
        about = self.comparison.describe(index) | {"reference": "", "direction": direction}
        return [about | row for row in score_maps({METHOD: mean}, [own_change(scan)], scan.get("brain_mask"))]


def summarise_ages(ages: pd.DataFrame, training_mean: float, **interval: Any) -> pd.DataFrame:
    """Summarise how well ages are predicted, and reached by translation.

    Args:
        ages: contents of `ages.csv`.
        training_mean: mean age of the training split, years.
        interval: `level`, `num_resamples` and `seed` of the bootstrap over scans, as in `estimate`.

    Returns:
        Rows of `metrics.csv`, for each split: `mae` in years and `r2` of the methods `regressor` and `training_mean`, and `mae`
        and `correlation` of the predicted ages of translated scans with the wanted ages, of the method `to_age`.
    """
    rows = []
    for split, group in ages.groupby("split", sort=False):
        age = group["age"].to_numpy()
        for method, predicted in (
            ("regressor", group["predicted_age"].to_numpy()),
            ("training_mean", np.full(len(group), training_mean)),
        ):
            about = {"split": split, "method": method}
            rows.append(about | {"metric": "mae"} | estimate(mean_of(np.abs(predicted - age)), len(group), **interval))
            rows.append(about | {"metric": "r2"} | estimate(determination(age, predicted), len(group), **interval))
        asked = group.dropna(subset=["translated_age"]) if "translated_age" in group else group.iloc[:0]
        if len(asked):
            wanted, reached = asked["target_age"].to_numpy(), asked["translated_age"].to_numpy()
            about = {"split": split, "method": METHOD}
            rows.append(about | {"metric": "mae"} | estimate(mean_of(np.abs(reached - wanted)), len(asked), **interval))
            rows.append(about | {"metric": "correlation"} | estimate(correlation(wanted, reached), len(asked), **interval))
    return pd.DataFrame(rows).assign(protocol=AGES, direction="", std=np.nan)
