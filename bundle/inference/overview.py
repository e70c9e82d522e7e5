"""Pictures that show a result at a glance."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from monai.data import MetaTensor
from monai.utils.enums import CommonKeys as Keys
from scipy.ndimage import uniform_filter
from torch import Tensor

from bundle.colours import HIGH, LOW, SIGNED, SPREAD
from bundle.data.headers import WARNINGS_KEY
from bundle.files import escape_name, write_atomically

COLOUR_LIMIT = 0.5  # network intensity
SPREAD_SHARE = 0.2  # of the colour limit, at which the colours of standard deviations end
BLUR = 3  # voxels over which a magnitude is averaged, so that no single voxel decides what is shown
GREY = {"cmap": "gray", "vmin": -1.0, "vmax": 1.0}
INTENSITY = "network intensity (scan: -1 to 1)"
PLANES = (("axial", 2, "LR"), ("coronal", 1, "LR"), ("sagittal", 0, "PA"))  # with the axis across, and what is left and right
TYPICALITY = "share of scans like those of the training that are as unusual or more so; small: unlike them"
WIDTH, LETTERS = 3.0, 36  # inches of a column, and letters in one
WARN = "#8a4b00"


class Overview:
    """Draws a scan, its translation and its maps beside each other, on the network's grid.

    Of a volume three planes are drawn, the same in all columns: those through the place where the mean map is strongest, or
    through a given point. The colours of all scans end at the same magnitude.

    Args:
        class_names: names of the classes; empty where the checkpoint has none.
        colour_limit: magnitude at which the colours of maps end, network intensity.
        planes: world x, y and z of the planes in mm; None for those of the strongest change.
        cautions: sentences on the network that stand below.

    Raises:
        ValueError: When `colour_limit` is no positive number, or `planes` are no three numbers.
    """

    def __init__(
        self,
        class_names: Sequence[str] = (),
        colour_limit: float = COLOUR_LIMIT,
        planes: Sequence[float] | None = None,
        cautions: Sequence[str] = (),
    ) -> None:
        check_limit(colour_limit)
        if planes is not None and not (
            isinstance(planes, Sequence) and len(planes) == 3 and all(isinstance(each, int | float) for each in planes)
        ):
            raise ValueError(f"planes must be x, y and z in mm, such as [20, -15, 5], or null, got {planes!r}")
        self.class_names, self.colour_limit = list(class_names), float(colour_limit)
        self.planes, self.cautions = planes, list(cautions)

    def save(self, item: Mapping[str, Any], path: str | Path) -> None:
        """Save the picture of `draw`.

        Args:
            item: scan after the postprocessing.
            path: name ending in `.png`.
        """
        figure = Figure()
        self.draw(figure, item)
        _save(figure, path)

    def draw(self, figure: Figure, item: Mapping[str, Any]) -> None:
        """Draw a scan.

        Args:
            figure: empty figure, whose size is set.
            item: scan after the postprocessing.
        """
        image, panels = item[Keys.IMAGE], self._list_panels(item)
        point = find_strongest(_array(item["explanation"]["fa_mean"])) if self.planes is None else to_voxel(image, self.planes)
        rows = list_planes(image)
        texts, cautions = self._describe(item), [*self.cautions, *(image.meta.get(WARNINGS_KEY) or [])]
        letters = LETTERS * len(panels)
        below = "\n".join(fill(f"Caution: {escape_name(sentence)}.", letters) for sentence in cautions)
        lines = sum(text.count("\n") + 1 for text in (texts, below)) + len(texts) // letters
        figure.set_size_inches(WIDTH * len(panels), 1.0 + 0.17 * lines + 3.1 * len(rows))
        figure.set_layout_engine("constrained")
        grid = figure.subplots(len(rows), len(panels), squeeze=False)
        for column, (title, picture, style, unit) in zip(grid.T, panels, strict=True):
            for axes, row in zip(column, rows, strict=True):
                drawn = _draw(axes, picture, "" if axes is not column[0] else title, style, row, point)
            figure.colorbar(drawn, ax=list(column), location="bottom", shrink=0.8, label=unit)
        for axes, row in zip(grid[:, 0], rows, strict=True):
            axes.text(-0.06, 0.5, name_plane(image, row, point), transform=axes.transAxes, rotation=90, va="center", ha="right")
        style = {"fontsize": 9, "x": 0.01, "ha": "left", "parse_math": False}  # names may hold dollars
        figure.suptitle("\n".join(fill(line, letters) for line in texts.splitlines()), **style)
        figure.supxlabel(below, color=WARN, **style)

    def _describe(self, item: Mapping[str, Any]) -> str:
        """Return which scan it is, of which class, and how its maps are read."""
        result, (own, target) = item["result"], self._name_classes(item)
        chance = result["probabilities"][result["predicted_class"]]
        typical = f" Typicality {result['typicality']:.2g} ({TYPICALITY})." if "typicality" in result else ""
        return (
            f"{escape_name(item['name'])}: {own} (probability {chance:.2f}). The maps lead to {target}.{typical}\n"
            f"{HIGH.capitalize()}: brighter after translation to {target}. {LOW.capitalize()}: darker."
            f" Lighter is stronger, black no change. Colours end at ±{self.colour_limit:g} network intensity"
            " for all scans; a scan's range is 2."
        )

    def _name_classes(self, item: Mapping[str, Any]) -> list[str]:
        return [name_class(item["result"][key], self.class_names) for key in ("predicted_class", "target_class")]

    def _list_panels(self, item: Mapping[str, Any]) -> list[tuple[str, Tensor, dict[str, Any], str]]:
        """Return title, image, style and unit of each column."""
        explanation, target = item["explanation"], self._name_classes(item)[1]
        mean = explanation["fa_mean"]
        signed = {"cmap": SIGNED, "vmin": -self.colour_limit, "vmax": self.colour_limit}
        spread = {"cmap": SPREAD, "vmin": 0.0, "vmax": SPREAD_SHARE * self.colour_limit}
        panels = [
            ("scan", item[Keys.IMAGE], GREY, INTENSITY),
            (f"translated to {target}", explanation["translated"], GREY, INTENSITY),
            (f"mean map towards {target}", mean, signed, "change, network intensity"),
            ("standard deviation of the maps", explanation["fa_variance"].sqrt(), spread, "network intensity"),
        ]
        if "fa_low" in explanation:
            sure = (explanation["fa_low"] > 0) | (explanation["fa_high"] < 0)
            panels.append(("mean map where the interval excludes 0", mean * sure, signed, "change, network intensity"))
        if "fa_exemplar" in explanation:
            panels.append(("map of the reference scan", explanation["fa_exemplar"], signed, "change, network intensity"))
        return panels


def check_limit(colour_limit: Any) -> None:
    """Refuse an end of the colours that is none: a `ValueError`."""
    number = isinstance(colour_limit, int | float) and not isinstance(colour_limit, bool)
    if not (number and 0 < colour_limit < float("inf")):
        raise ValueError(f"colour_limit must be a positive number (network intensity), got {colour_limit!r}")


def name_class(label: int, class_names: Sequence[str]) -> str:
    """Return the name of a class, or "class 1" where it has none."""
    return class_names[label] if label < len(class_names) else f"class {label}"


def find_strongest(values: np.ndarray) -> list[int]:
    """Return the voxel around which the magnitude of a map, shape (H, W[, D]), is largest."""
    strength = uniform_filter(np.abs(values), [min(BLUR, size) for size in values.shape], mode="constant")
    return [int(place) for place in np.unravel_index(strength.argmax(), values.shape)]


def list_planes(image: Tensor) -> Sequence[tuple[str, int, str]]:
    """Return the planes of an image (1, H, W[, D]) that are drawn, as in `PLANES`."""
    return PLANES[: 1 if image.ndim == 3 else 3]


def to_voxel(image: MetaTensor, place: Sequence[float]) -> list[int]:
    """Return the voxel of an image (1, H, W[, D]) that is nearest to a place in mm."""
    voxel = np.linalg.solve(image.affine.numpy(), [*place, 1.0])[: image.ndim - 1].round().astype(int)
    return [int(each) for each in voxel.clip(0, np.array(image.shape[1:]) - 1)]


def name_plane(image: MetaTensor, plane: tuple[str, int, str], point: Sequence[int]) -> str:
    """Return name and place of a plane through a voxel, such as "axial, z = 12 mm"."""
    name, axis, _ = plane
    world = image.affine.numpy() @ [*point, *[0] * (3 - len(point)), 1]
    return f"{name}, {'xyz'[axis]} = {world[axis]:.0f} mm"


def save_strip(images: MetaTensor, titles: Sequence[str], path: str | Path) -> None:
    """Draw images beside each other, of volumes the axial plane in which the last differs most from the first.

    Args:
        images: intensities in [-1, 1], shape (S, 1, H, W[, D]), with the affine of one of them.
        titles: one an image.
        path: name ending in `.png`.
    """
    figure, plane = Figure(figsize=(2.0 * len(images), 2.9), layout="constrained"), PLANES[0]
    point = find_strongest(_array(images[-1]) - _array(images[0]))
    for axes, image, title in zip(np.atleast_1d(figure.subplots(1, len(images))), images, titles, strict=True):
        _draw(axes, image, title, GREY, plane, point)
    figure.supxlabel(name_plane(images[0], plane, point), fontsize=9)
    _save(figure, path)


def _draw(axes: Axes, image: Tensor, title: str, style: dict[str, Any], plane: tuple[str, int, str], point: Sequence[int]) -> Any:
    """Draw a plane through a voxel: the front or the top is up, and the subject's left, or the back, on the left."""
    array, (_, axis, sides) = _array(image), plane
    array = array.take(point[axis], axis) if array.ndim == 3 else array
    axes.set_title(title, fontsize=9, parse_math=False)
    axes.set_axis_off()
    for place, side in zip((0.02, 0.98), sides, strict=True):
        axes.text(place, 0.5, side, transform=axes.transAxes, ha="center", va="center", color="grey", fontsize=8)
    return axes.imshow(array.T, origin="lower", interpolation="nearest", **style)


def _array(image: Tensor) -> np.ndarray:
    """Return the first channel of an image."""
    return image.detach().cpu().numpy()[0]


def _save(figure: Figure, path: str | Path) -> None:
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=100)
