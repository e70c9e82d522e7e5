"""Postprocessing of the inferer's answer for one scan."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from monai.utils.enums import CommonKeys as Keys
from torch import Tensor

from bundle.attribution.typicality import doubt_scan
from bundle.data.discovery import IMAGES, SERIES
from bundle.data.headers import FIELDS_KEY, WARNINGS_KEY, pack_fields, place
from bundle.data.resampling import redirect
from bundle.data.scans import name_of, open_scan, shape_of, without_metadata
from bundle.inference.datasets import TRUTHS
from bundle.metrics import compute_ncc

NUMBERS = ("typicality", "predicted_age", "translated_age")  # of a scan, beside its classes; ages in years
NCC = "ncc"  # with the truth, of a scan that has one


class SplitExplanationd(Transform):
    """Give each part of the inferer's answer for a scan a key of its own.

    `pred` becomes the mean FA map alone, of one channel, as viewers expect; `fa_variance`, `translated` and, where there
    are any, `fa_low`, `fa_high`, `fa_exemplar`, `fa_value` and `translated_value` stand beside it, as do draws and walks, of as
    many channels as there are images. `result` holds classes, probabilities, typicality, ages and the NCC with the truth as plain
    numbers; `explanation` keeps the answer on the network's grid. Images are MetaTensors, which `Invertd` needs. An answer with
    a value that is NaN or infinite is refused. A scan that is not typical carries a warning.

    Args:
        typicality_level: p-value up to which a scan is not typical of those that the network was trained for.
    """

    def __init__(self, typicality_level: float = 0.05) -> None:
        self.typicality_level = typicality_level

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return an item with the keys above, from one with the answer of `ICAMInferer` for one scan under `pred`."""
        item = dict(data)
        explanation = item.pop(Keys.PRED)
        check_finite(explanation, name_of(item[Keys.IMAGE]))
        probabilities = [float(value) for value in explanation["probabilities"]]
        item["explanation"] = explanation
        item["result"] = {
            "predicted_class": max(range(len(probabilities)), key=probabilities.__getitem__),
            "probabilities": probabilities,
            "target_class": int(explanation["target"]),
            **{key: float(explanation[key]) for key in NUMBERS if key in explanation},
        }
        item["result"] |= compare_with_truth(item)
        result = item["result"]
        if "typicality" in result and (
            sentence := doubt_scan(result["typicality"], int(explanation["untypical_part"]), self.typicality_level)
        ):
            meta = item[Keys.IMAGE].meta
            meta[WARNINGS_KEY] = [*(meta.get(WARNINGS_KEY) or []), sentence]
        images = {key: MetaTensor(explanation[key].detach().cpu()) for key in (*IMAGES, *SERIES) if key in explanation}
        return item | {Keys.PRED if key == "fa_mean" else key: image for key, image in images.items()}


def compare_with_truth(item: Mapping[Hashable, Any]) -> dict[str, float]:
    """Return the NCC of a mean map with the truth of its scan on the network's grid, under `ncc`; nothing where it has none.

    A lesion mask is the truth of maps to class 0, a disease map that of maps between two classes. Neither is that of a map to the
    scan's own class.

    Args:
        item: scan with `explanation` and `result`, and where known `mask` or `disease_map`, and `label`.
    """
    key, result = next((key for key in TRUTHS if key in item), None), item["result"]
    target, own = result["target_class"], int(item.get("label", result["predicted_class"]))
    known = target == 0 if key == "mask" else len(result["probabilities"]) == 2
    if key is None or not known or target == own:
        return {}
    value = float(compute_ncc(item["explanation"]["fa_mean"][None].cpu(), without_metadata(item[key])[None]))
    return {NCC: value} if np.isfinite(value) else {}


def check_finite(answer: Mapping[str, Tensor | float], scan: str) -> None:
    """Refuse an answer of the network that holds no numbers.

    Args:
        answer: Parts of the answer by their names.
        scan: Name of the scan, for the message.

    Raises:
        ValueError: When a part holds NaN or infinite values.
    """
    wrong = [name for name, part in answer.items() if not torch.isfinite(torch.as_tensor(part)).all()]
    if wrong:
        raise ValueError(
            f"{scan} gets NaN or infinite values in {', '.join(wrong)}, and no map is written: the intensities of the scan or the"
            " weights of the network are out of range"
        )


class AimAtRawScand(Transform):
    """Let `Invertd` bring the maps of a prepared scan to the grid of the raw scan, in one interpolation.

    Scans that do not come with `raw_image` (file) and `transform` (text file of a matrix from the world of the raw scan
    to that of the prepared one) are left as they are, and their maps lie on their own grid.

    Args:
        key: key of the scan on the network's grid.
    """

    def __init__(self, key: str = "image") -> None:
        self.key = key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return an item whose scan leads back to the raw one.

        Raises:
            ValueError: When the raw scan or the transform cannot be read.
        """
        item = dict(data)
        if "raw_image" not in item or "transform" not in item:
            return item
        try:
            raw = open_scan(item["raw_image"])
            placement = place(raw, item["raw_image"])
            transform = np.loadtxt(item["transform"])
        except Exception as error:  # nibabel, gzip and NumPy each raise their own
            raise ValueError(
                f"{item['scan']}: maps cannot be written on the raw scan's grid ({error}): keep the raw scan where it was"
            ) from error
        if transform.shape != (4, 4) or not np.isfinite(transform).all():
            raise ValueError(f"{Path(item['transform'])} holds no matrix of 4 x 4 numbers")
        meta = {key: value for key, value in item[self.key].meta.items() if key != FIELDS_KEY} | pack_fields(placement.fields)
        if placement.warnings:
            meta[WARNINGS_KEY] = [*placement.warnings, *meta.get(WARNINGS_KEY, [])]
        item[self.key] = redirect(item[self.key], placement.affine, shape_of(raw), transform, meta)
        return item
