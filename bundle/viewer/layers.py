"""What can be laid over a scan: the images that inference writes, and what follows from them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bundle.inference.overview import name_class

NETWORK_UNIT = "network intensity (the scan's range is 2: 0.1 is 5 % of it)"
SCAN_UNIT = "intensity of the scan"
SPREAD = "fa_std"  # standard deviation, of the variance
TRUTH = "truth"  # a lesion mask, or what disease adds to the scan
SURE = "fa_sure"  # mean map where the interval excludes 0


class Layer(NamedTuple):
    """An image over a scan.

    Attributes:
        key: its name in the page.
        title: what it is.
        kind: `signed` and `spread` for values in the network's intensity, `grey` for intensities of the scan, `mask`.
        text: how it is read; `{high}` and `{low}` stand for the names of colours.
        values: shape (H, W, D).
        limit: where its colours end; None for the end of all maps.
    """

    key: str
    title: str
    kind: str
    text: str
    values: np.ndarray
    limit: float | None = None

    @property
    def unit(self) -> str:
        """Unit of the values."""
        if self.kind == "mask":
            return "1 inside"
        return SCAN_UNIT if self.kind == "grey" or self.key == TRUTH else NETWORK_UNIT


def make_layers(
    images: Mapping[str, np.ndarray], row: Mapping[str, str], class_names: Sequence[str], age: float | None = None
) -> list[Layer]:
    """Return what can be laid over a scan, the mean map first.

    Args:
        images: what inference has written for the scan, by key.
        row: its row of `predictions.csv`.
        class_names: names of the classes, if any.
        age: age in years of `fa_value`.
    """
    own, target = (name_class(int(row[key]), class_names) for key in ("predicted_class", "target_class"))
    same = f"as {target}" if own == target else f"translated from {own} to {target}"
    change = f"{{high}}: brighter when the scan is {same}. {{low}}: darker."
    years = "the target age" if age is None else f"{age:g} years"
    aged = f"{{high}}: brighter when the scan is translated to {years}. {{low}}: darker."
    texts = {
        "fa_mean": (f"Mean map towards {target}", "signed", change),
        SURE: ("Mean map where the interval excludes 0", "signed", change),
        SPREAD: ("Standard deviation of the maps", "spread", "Bright: the draws of the map disagree. Dark: they agree."),
        "fa_low": ("Lower end of the interval", "signed", "Lower end of the interval of the change of a voxel. " + change),
        "fa_high": ("Upper end of the interval", "signed", "Upper end of the interval of the change of a voxel. " + change),
        "translated": (f"Scan translated to {target}", "grey", f"The scan as the network draws it as {target}."),
        "fa_exemplar": (
            "Map with the attribute of the reference scan",
            "signed",
            "{high}: brighter when the scan takes the attribute of the reference scan. {low}: darker.",
        ),
        "fa_value": (f"Map towards {years}", "signed", aged),
        "translated_value": (f"Scan translated to {years}", "grey", f"The scan as the network draws it at {years}."),
    }
    values = dict(images)
    if "fa_variance" in images:
        values[SPREAD] = np.sqrt(images["fa_variance"].clip(0))
    if "fa_low" in images and "fa_high" in images:
        values[SURE] = images["fa_mean"] * ((images["fa_low"] > 0) | (images["fa_high"] < 0))
    layers = [Layer(key, *texts[key], values[key]) for key in texts if key in values]
    return layers + ([make_truth(images[TRUTH])] if TRUTH in images else [])


def make_truth(values: np.ndarray) -> Layer:
    """Return the truth of a scan: as a mask where it has one value beside 0, else as a change."""
    if len(np.unique(values)) <= 2 and values.min() >= 0:
        return Layer(TRUTH, "Truth: lesion mask", "mask", "{high}: lesion.", (values > 0).astype(np.float32), 1.0)
    text = "What disease adds to this scan, on a scale of its own. {high}: brighter. {low}: darker."
    text += " A map that removes it has the opposite colours."
    return Layer(TRUTH, "Truth: change by disease", "signed", text, values, float(np.abs(values).max()))
