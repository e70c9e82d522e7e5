"""Pictures that show a result at a glance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from bundle.files import write_atomically

GREY = {"cmap": "gray", "vmin": -1.0, "vmax": 1.0}


def save_overview(
    image: Tensor, explanation: dict[str, Tensor], result: dict[str, Any], path: str | Path, class_names: Sequence[str] = ()
) -> None:
    """Save the picture of `draw_overview`.

    Args:
        image: network input, shape (1, H, W[, D]).
        explanation: answer of `ICAMInferer` for this scan.
        result: classes and probabilities.
        path: name ending in `.png`.
        class_names: names of the classes, if any.
    """
    figure = Figure()
    draw_overview(figure, image, explanation, result, class_names)
    _save(figure, path)


def name_class(label: int, class_names: Sequence[str]) -> str:
    """Return the name of a class, or "class 1" where it has none."""
    return class_names[label] if label < len(class_names) else f"class {label}"


def draw_overview(
    figure: Figure, image: Tensor, explanation: dict[str, Tensor], result: dict[str, Any], class_names: Sequence[str] = ()
) -> None:
    """Draw a scan, its translation and its maps beside each other, on the network's grid; of a volume the middle slice.

    Args:
        figure: empty figure, whose size is set.
        image: network input, shape (1, H, W[, D]).
        explanation: answer of `ICAMInferer` for this scan.
        result: classes and probabilities.
        class_names: names of the classes, if any.
    """
    label, target = result["predicted_class"], result["target_class"]
    panels = [
        (f"scan: {name_class(label, class_names)} (p = {result['probabilities'][label]:.2f})", image, GREY),
        (f"translated to {name_class(target, class_names)}", explanation["translated"], GREY),
        ("FA map, mean", explanation["fa_mean"], _signed(explanation["fa_mean"])),
        ("FA map, variance", explanation["fa_variance"], {"cmap": "magma", "vmin": 0.0}),
    ]
    if "fa_low" in explanation:
        mean, sure = explanation["fa_mean"], (explanation["fa_low"] > 0) | (explanation["fa_high"] < 0)
        panels.append(("FA map where the interval excludes 0", mean * sure, _signed(mean)))
    if "fa_exemplar" in explanation:
        panels.append(("FA map, exemplar", explanation["fa_exemplar"], _signed(explanation["fa_exemplar"])))
    figure.set_size_inches(3.0 * len(panels), 4.0)
    figure.set_layout_engine("constrained")
    for axes, (title, picture, style) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        unit = "intensity squared" if title.endswith("variance") else "intensity (scan: -1 to 1)"
        figure.colorbar(_draw(axes, picture, title, style), ax=axes, location="bottom", shrink=0.8, label=unit)


def save_strip(images: Tensor, titles: Sequence[str], path: str | Path) -> None:
    """Draw images beside each other.

    Args:
        images: intensities in [-1, 1], shape (S, 1, H, W[, D]).
        titles: one an image.
        path: name ending in `.png`.
    """
    figure = Figure(figsize=(2.0 * len(images), 2.7), layout="constrained")
    for axes, image, title in zip(np.atleast_1d(figure.subplots(1, len(images))), images, titles, strict=True):
        _draw(axes, image, title, GREY)
    _save(figure, path)


def _draw(axes: Axes, image: Tensor, title: str, style: dict[str, Any]) -> Any:
    """Draw an axial slice with the front up and the subject's left on the left."""
    array = image.detach().cpu().numpy()[0]
    array = array[..., array.shape[2] // 2] if array.ndim == 3 else array
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
    for place, side in ((0.02, "L"), (0.98, "R")):
        axes.text(place, 0.5, side, transform=axes.transAxes, ha="center", va="center", color="grey", fontsize=8)
    return axes.imshow(array.T, origin="lower", interpolation="nearest", **style)


def _signed(image: Tensor) -> dict[str, Any]:
    """Return a style whose zero is white."""
    limit = max(float(image.abs().max()), 1e-6)
    return {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}


def _save(figure: Figure, path: str | Path) -> None:
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=100)
