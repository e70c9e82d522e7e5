"""Whether translated scans are what they should be: of the other class, changed where the disease is, and else the same."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from bundle.evaluation.cases import Case
from bundle.evaluation.encoding import stack_images
from bundle.evaluation.estimates import estimate
from bundle.evaluation.explainers import Counterfactuals, Explainer
from bundle.evaluation.judge import Judge
from bundle.evaluation.realism import kernel_distance
from bundle.evaluation.truths import find_own_truth
from bundle.metrics import find_extent

COUNTERFACTUAL = "counterfactual"  # protocol of these figures in the tables
METRICS = ("effectiveness", "change_outside", "composition_error", "reversibility_error", "ssim")
REALISM = "kid"
UNTRANSLATED = "untranslated"  # row beside the method: the scans as they are
WIDTH_OF_INTENSITIES = 2.0  # from -1 to 1


class Axioms(NamedTuple):
    """What translations of scans in one direction scored.

    Attributes:
        rows: a row a scan, with the columns of `METRICS` that could be computed.
        features: what the judge sees in the translated scans, shape (N, F).
    """

    rows: list[dict[str, Any]]
    features: Tensor


def score_counterfactuals(explainer: Explainer, judge: Judge, case: Case) -> Axioms:
    """Score the translations of scans, each by itself.

    Effectiveness: 1 where the judge gives the translated scan the target class. `change_outside`, of minimality: the share of
    the sum of |translated - scan| outside the extent of the truth on the own anatomy. Composition and reversibility: the mean
    absolute difference from the scan of what is decoded with the own attribute, at once and after translation there and back.

    Source: Monteiro et al., ICLR 2023, Sec. 3 (https://arxiv.org/abs/2303.01274): composition, effectiveness, reversibility;
    Melistas et al., NeurIPS 2024, Sec. 3 (https://arxiv.org/abs/2403.20287): minimality, realism; Wang et al., IEEE Trans.
    Image Process. 2004 (https://doi.org/10.1109/TIP.2003.819861): SSIM.

    Args:
        explainer: a method that translates.
        judge: independent classifier.
        case: scans of one class, and the class that they are translated to.
    """
    rows: list[dict[str, Any]] = []
    features: list[Tensor] = []
    for batch in case.split("translating"):
        made = explainer.translate(batch, case.target)
        probabilities, seen = judge.look(made.translated)
        features.append(seen)
        columns = _compare(explainer, batch, made) | {
            "effectiveness": (probabilities.argmax(1) == case.target).double().tolist(),
            "change_outside": _find_outside(explainer, batch, case.target, made.translated),
        }
        for position, index in enumerate(batch):
            figures = {name: column[position] for name, column in columns.items()}
            rows.append(explainer.scorer.describe(index) | {"method": explainer.translating} | figures)
    return Axioms(rows, torch.cat(features) if features else torch.zeros(0, 1))


def measure_realism(explainer: Explainer, case: Case, translated: Tensor, real: Tensor, **interval: Any) -> pd.DataFrame:
    """Return how far translated scans are from real ones of the target class, in each split, as rows of `metrics.csv`.

    Beside them are the scans as they are, `untranslated`.

    Args:
        explainer: the method.
        case: the scans that were translated, and to what.
        translated: features of the translated scans, shape (N, F).
        real: features of all test scans, shape (M, F).
        **interval: `level`, `num_resamples` and `seed` of the bootstrap over scans, as in `estimate`.
    """
    scorer, rows = explainer.scorer, []
    splits = np.array(scorer.splits)
    labels = np.array([int(row["label"]) for row in scorer.test.data])
    indices = np.array(case.indices, dtype=int)
    for split in dict.fromkeys(splits[indices].tolist()):
        inside = splits[indices] == split
        wanted = real.numpy()[(labels == case.target) & (splits == split)]
        sets = {explainer.translating: translated.numpy()[inside], UNTRANSLATED: real.numpy()[indices[inside]]}
        for method, features in sets.items():
            strata = np.repeat([0, 1], [len(features), len(wanted)])
            figures = estimate(kernel_distance(features, wanted), len(strata), strata, **interval)
            about = {"split": split, "protocol": COUNTERFACTUAL, "method": method, "direction": case.direction}
            rows.append(about | {"metric": REALISM, "std": np.nan} | figures | {"n": len(features)})
    return pd.DataFrame(rows)


def _compare(explainer: Explainer, batch: list[int], made: Counterfactuals) -> dict[str, list[float]]:
    """Return how far what was made is from the scans."""
    image = stack_images([explainer.scorer.test[i] for i in batch])
    columns = {"ssim": list(_find_similarity(image, made.translated))}
    if made.unchanged is not None and made.returned is not None:
        columns["composition_error"] = _mean_difference(image, made.unchanged)
        columns["reversibility_error"] = _mean_difference(image, made.returned)
    return columns


def _find_similarity(image: Tensor, translated: Tensor) -> Iterator[float]:
    """Yield the structural similarity of pairs of images (B, C, H, W[, D])."""
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 0}
    for first, second in zip(image.double().numpy(), translated.double().numpy(), strict=True):
        yield float(structural_similarity(first, second, data_range=WIDTH_OF_INTENSITIES, **options))


def _mean_difference(image: Tensor, other: Tensor) -> list[float]:
    return (image.double() - other).abs().flatten(1).mean(1).tolist()


def _find_outside(explainer: Explainer, batch: list[int], target: int, translated: Tensor) -> list[float]:
    """Return the share of the change outside the extent of the truth; NaN where it is not known, or nothing changes."""
    scorer, shares = explainer.scorer, []
    for index, made in zip(batch, translated, strict=True):
        scan = scorer.load(index)
        truth = find_own_truth(scan, scorer.load(scorer.references[index][target]))
        change = (made.double() - scan["image"]).abs()
        extent = None if truth is None else find_extent(truth.image[None])[0]
        known = extent is not None and bool(extent.any()) and bool(change.any())
        shares.append(float(change[~extent].sum() / change.sum()) if extent is not None and known else float("nan"))
    return shares
