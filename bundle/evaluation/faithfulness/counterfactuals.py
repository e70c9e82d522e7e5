"""Counterfactual axioms: whether translated scans are of the other class, changed where the disease is, and else the same."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from bundle.evaluation.bootstrap import Bootstrap
from bundle.evaluation.explainers import Counterfactuals, Explainer
from bundle.evaluation.faithfulness.cases import Case, list_cases
from bundle.evaluation.faithfulness.independent_classifier import IndependentClassifier
from bundle.evaluation.faithfulness.realism import kernel_distance
from bundle.evaluation.ground_truth.truths import find_own_truth
from bundle.evaluation.names import COUNTERFACTUAL
from bundle.evaluation.split import Split
from bundle.metrics import find_extent

REALISM = "kid"
UNTRANSLATED = "untranslated"  # row beside the method: the scans as they are
SSIM = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 0, "data_range": 2.0}
# In double precision: MONAI's SSIMMetric computes in single, 2e-5 off in 3D. Intensities range from -1 to 1.


class CounterfactualAxioms:
    """Score the translations of a generative method; nothing of methods that do not translate.

    Effectiveness: 1 where the classifier gives the translated scan the target class. `change_outside`, of minimality: the share
    of the sum of |translated - scan| outside the extent of the truth on the own anatomy. Composition and reversibility: the mean
    absolute difference from the scan of what is decoded with the own attribute, at once and after translation there and back.
    Realism: the kernel distance of translated scans from real ones of the target class.

    Source: Monteiro et al., ICLR 2023, Sec. 3 (https://arxiv.org/abs/2303.01274): composition, effectiveness, reversibility;
    Melistas et al., NeurIPS 2024, Sec. 3 (https://arxiv.org/abs/2403.20287): minimality, realism; Wang et al., IEEE Trans.
    Image Process. 2004 (https://doi.org/10.1109/TIP.2003.819861): SSIM.

    Args:
        classifier: independent classifier.
        num_scans: scans of each split and direction that are translated; None for all.
        seed: seed of the scans.
    """

    def __init__(self, classifier: IndependentClassifier, num_scans: int | None = None, seed: int = 0) -> None:
        self.classifier, self.num_scans, self.seed = classifier, num_scans, seed

    def score(
        self, explainer: Explainer, features: Tensor, bootstrap: Bootstrap
    ) -> tuple[list[dict[str, Any]], list[pd.DataFrame]]:
        """Score all directions: a row a scan, and rows of `metrics.csv` on sets of scans.

        `features` are the classifier's, of all test scans, shape (M, F).
        """
        rows: list[dict[str, Any]] = []
        realism: list[pd.DataFrame] = []
        split = explainer.split
        for case in list_cases(split, explainer.explains, self.num_scans, self.seed) if explainer.translating else ():
            scores, translated = self.score_case(explainer, case)
            rows += [row | {"direction": case.direction, "protocol": COUNTERFACTUAL} for row in scores]
            sets = {str(explainer.translating): translated, UNTRANSLATED: features[case.indices]}
            realism.append(_measure_realism(split, case, sets, features, bootstrap))
        return rows, realism

    def score_case(self, explainer: Explainer, case: Case) -> tuple[list[dict[str, Any]], Tensor]:
        """Return a row on each translation of one direction, and the classifier's features of the translations, (N, F)."""
        rows: list[dict[str, Any]] = []
        features: list[Tensor] = []
        for batch in explainer.split.batches(case.indices, f"translating ({case.direction})"):
            made = explainer.translate(batch, case.target)
            probabilities, seen = self.classifier.predict(made.translated)
            features.append(seen)
            columns = _compare(explainer.split.stack(batch), made) | {
                "effectiveness": (probabilities.argmax(1) == case.target).double().tolist(),
                "change_outside": [
                    _find_outside(explainer.split, index, case.target, translated)
                    for index, translated in zip(batch, made.translated, strict=True)
                ],
            }
            for position, index in enumerate(batch):
                figures = {name: column[position] for name, column in columns.items()}
                rows.append(explainer.split.describe(index) | {"method": explainer.translating} | figures)
        return rows, torch.cat(features)


def _measure_realism(split: Split, case: Case, sets: dict[str, Tensor], features: Tensor, bootstrap: Bootstrap) -> pd.DataFrame:
    """Return how far sets of scans (features by method) are from real ones of the target class, as rows of `metrics.csv`."""
    rows = []
    names, indices = np.array(split.names), np.array(case.indices, dtype=int)
    for name in dict.fromkeys(names[indices].tolist()):
        inside = names[indices] == name
        wanted = features.numpy()[(split.labels == case.target) & (names == name)]
        for method, found in sets.items():
            own = found.numpy()[inside]
            strata = np.repeat([0, 1], [len(own), len(wanted)])
            figures = bootstrap.estimate(kernel_distance(own, wanted), len(strata), strata)
            about = {"split": name, "protocol": COUNTERFACTUAL, "method": method, "direction": case.direction}
            rows.append(about | {"metric": REALISM, "std": np.nan} | figures | {"n": len(own)})
    return pd.DataFrame(rows)


def _compare(image: Tensor, made: Counterfactuals) -> dict[str, list[float]]:
    """Return how far the images made of scans are from them."""
    pairs = zip(image.double().numpy(), made.translated.double().numpy(), strict=True)
    columns = {"ssim": [float(structural_similarity(*pair, **SSIM)) for pair in pairs]}
    if made.unchanged is not None and made.returned is not None:
        columns["composition_error"] = _mean_difference(image, made.unchanged)
        columns["reversibility_error"] = _mean_difference(image, made.returned)
    return columns


def _mean_difference(image: Tensor, other: Tensor) -> list[float]:
    return (image.double() - other).abs().flatten(1).mean(1).tolist()


def _find_outside(split: Split, index: int, target: int, translated: Tensor) -> float:
    """Return the share of the change outside the extent of the truth; NaN where it is not known, or nothing changes."""
    scan = split.load(index)
    truth = find_own_truth(scan, split.load(split.references[index][target]))
    change = (translated.double() - scan.image).abs()
    if truth is None or not truth.image.any() or not change.any():
        return float("nan")
    return float(change[~find_extent(truth.image[None])[0]].sum() / change.sum())
