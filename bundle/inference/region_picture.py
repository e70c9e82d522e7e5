"""The change of regions as bars, left and right."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bundle.atlases import LEAST
from bundle.files import write_atomically
from bundle.inference.overview import name_class

COLOURS = {"left": "#404040", "right": "#a6a6a6", "both": "#737373"}  # greys, as colours stand for the sign of a change
MOST = 20  # regions of a picture


def save_picture(table: pd.DataFrame, path: str | Path, threshold: float, class_names: Sequence[str] = ()) -> None:
    """Draw mean change and changed volume of each region, mean and standard deviation over scans, one row a target class.

    All rows share one scale. Of an atlas of many regions those that change most are drawn.
    Without a scan that has regions no picture is left.

    Args:
        table: rows of `regions.tsv`.
        path: name ending in `.png`.
        threshold: magnitude of the changes that count into the volume, network intensity.
        class_names: names of the classes, if any.
    """
    groups = list(table.dropna(subset=["region"]).groupby("target_class"))
    if not groups:
        Path(path).unlink(missing_ok=True)
        return
    chosen = [_choose(rows) for _, rows in groups]
    heights = [0.8 + 0.3 * len(regions) for regions in chosen]
    figure = Figure(figsize=(11, sum(heights) + 0.6), layout="constrained")
    panels = figure.subplots(len(groups), 2, squeeze=False, sharex="col", sharey="row", height_ratios=heights)
    for (label, rows), regions, (left, right) in zip(groups, chosen, panels, strict=True):
        count, total = rows["name"].nunique(), rows["region"].nunique()
        most = f"; the {len(regions)} of {total} regions that change most" if len(regions) < total else ""
        scans = f"{count} scan" if count == 1 else f"{count} scans: mean, line: standard deviation"
        left.set_title(f"Translated to {name_class(int(label), class_names)} ({scans}{most})", loc="left", fontsize=9)
        _draw(left, rows, regions, "mean", "mean change, network intensity (the scan's range is 2); above 0: brighter")
        _draw(right, rows, regions, "volume_ml", f"volume that changes by more than {threshold:g}, ml")
        right.legend(title="side", fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))  # beside the bars
    if (table["reliability"] < LEAST).any():
        figure.suptitle("* not drawn reliably by this network, as measured on simulated scans: do not report", fontsize=9)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=100)


def _choose(rows: pd.DataFrame) -> list[str]:
    """Return the regions that change most, in the order of the atlas."""
    sizes = rows.groupby("region", sort=False)["mean"].agg(lambda means: means.abs().mean())
    kept = set(sizes.nlargest(MOST).index)
    return [region for region in sizes.index if region in kept]


def _draw(axes: Axes, rows: pd.DataFrame, regions: Sequence[str], column: str, label: str) -> None:
    """Draw a bar for each region and side."""
    values = rows.groupby(["side", "region"])[column].agg(["mean", "std"])
    sides = [side for side in COLOURS if side in values.index]
    height = 0.8 / len(sides)
    for place, side in enumerate(sides):
        shown = values.loc[side].reindex(regions)
        middle = np.arange(len(regions)) + (place - (len(sides) - 1) / 2) * height
        axes.barh(middle, shown["mean"], height, xerr=shown["std"].fillna(0), color=COLOURS[side], label=side, ecolor="black")
    doubtful = rows[rows["reliability"] < LEAST].groupby("region")["side"].unique()
    marks = {region: f" * {', '.join(sides)}" if len(sides) < 2 else " *" for region, sides in doubtful.items()}
    names = [region.replace("_", " ") + marks.get(region, "") for region in regions]
    axes.set_yticks(np.arange(len(regions)), names, fontsize=8)
    axes.set_ylim(len(regions) - 0.5, -0.5)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(label, fontsize=8)
    axes.tick_params(axis="x", labelsize=8, labelbottom=True)
