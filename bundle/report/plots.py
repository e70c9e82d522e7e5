"""Drawings inside the page, as SVG elements whose lines and text take the page's colour."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from bundle.evaluation.names import NETWORK_METHODS, ORACLES, OWN_METHODS, in_words

INK = "#010203"  # replaced by the page's text colour
PALETTE = ("#2b8ccf", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # distinct for colour-blind readers
FAMILIES = {  # colour, marker and legend of each; markers tell them apart without colours
    "network": ("#2f7fc1", "o", "this network"),
    "learned": ("#d55e00", "s", "other trained methods"),
    "exact change": ("#009e73", "D", "exact change (ceiling)"),
    "trivial": ("#8a8a8a", "^", "trivial maps (floor)"),
}
# Of the network, in tables of other figures than NCC.
OTHER_METHODS = ("exemplar", "sampled", "regressor", "sampled_mixture", "sampled_prior", "sampled_training")
STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


class Drawing(NamedTuple):
    """A figure of the page: its drawing, the question that it answers, and what is shown, with units and numbers."""

    svg: Markup
    question: str
    caption: str


def family_of(method: str) -> str:
    """Return what a row of the table is: "network", "exact change" or "trivial"."""
    if method in (*NETWORK_METHODS, *OWN_METHODS, *OTHER_METHODS):
        return "network"
    return "exact change" if method in ORACLES else "trivial"


def show_span(numbers: pd.Series) -> str:
    """Return a number, or the smallest and the largest of several, as text; nothing for none."""
    return "" if numbers.empty else " to ".join(dict.fromkeys(str(int(end)) for end in (numbers.min(), numbers.max())))


def plot_figures(rows: pd.DataFrame, title: str, across: str = "NCC", end: float | None = 1.02, network: str = "") -> Markup:
    """Draw mean and interval of each row, with its name above them.

    Args:
        rows: columns `method`, which is written as it is, `family`, `mean`, `ci_low` and `ci_high`, from top to bottom.
        title: of the drawing.
        across: quantity, and its unit if any.
        end: of the axis; None to end behind the largest interval.
        network: name of the family "network" in the legend, if not "this network".
    """
    with rc_context(STYLE):
        figure, axes = _make_axes(1.1 + 0.34 * len(rows))
        heights = np.arange(len(rows))[::-1]
        for height, (_, row) in zip(heights, rows.iterrows(), strict=True):
            colour, marker, _ = FAMILIES[row["family"]]
            axes.plot(row[["ci_low", "ci_high"]].astype(float), [height] * 2, color=colour, linewidth=2, solid_capstyle="butt")
            axes.plot(row["mean"], height, marker, color=colour, markersize=5, clip_on=False)
            axes.text(0.01, height + 0.3, row["method"], transform=axes.get_yaxis_transform(), va="center", fontsize=8)
        marks = []
        for name in dict.fromkeys(rows["family"]):
            colour, marker, label = FAMILIES[name]
            label = network or label if name == "network" else label
            marks.append(Line2D([], [], color=colour, marker=marker, markersize=5, linewidth=2, label=label))
        figure.legend(handles=marks, loc="outside lower left", ncols=2, fontsize=8, handlelength=1.2, columnspacing=1.0)
        axes.axvline(0, color=INK, linewidth=0.6, alpha=0.4, zorder=0)
        axes.set_yticks([])
        axes.set_ylim(-0.5, len(rows) - 0.3)
        lowest, highest = rows["ci_low"].fillna(rows["mean"]).min(), rows["ci_high"].fillna(rows["mean"]).max()
        axes.set_xlim(min(-0.1, lowest - 0.02), highest + 0.02 if end is None else end)
        axes.set_xlabel(across)
        axes.set_title(title, fontsize=9, loc="left")
        return _to_svg(figure, title)


def plot_curves(history: pd.DataFrame, columns: Sequence[str], title: str, log: bool = False) -> Markup:
    """Draw columns of `train.csv`, six at most, against the epoch; `log` makes the vertical axis logarithmic."""
    with rc_context(STYLE):
        figure, axes = _make_axes(3.0)
        for column, colour in zip(columns, PALETTE, strict=False):
            if not history[column].notna().any():  # no line, and no legend either
                continue
            shown = history[["epoch", column]].dropna()
            name = in_words(column.removeprefix("val_"))
            axes.plot(shown["epoch"], shown[column], color=colour, marker=".", linewidth=1.4, label=name)
        if log and (history[list(columns)].min() > 0).all():
            axes.set_yscale("log")
        axes.xaxis.get_major_locator().set_params(integer=True)
        _label(axes, "epoch", title)
        return _to_svg(figure, title)


def plot_latent(
    points: np.ndarray, labels: np.ndarray, splits: Sequence[str], title: str, name_class: Callable[[int], str] = str
) -> Markup:
    """Draw points (N, 2) of a latent space: colours are classes (N,), named by `name_class`, shapes are splits."""
    with rc_context(STYLE):
        figure, axes = _make_axes(3.4)
        for split, marker in zip(sorted(set(splits)), "o^s", strict=False):
            for label in np.unique(labels).tolist():
                chosen = (labels == label) & (np.array(splits) == split)
                if not chosen.any():
                    continue
                colour = PALETTE[label % len(PALETTE)]
                name = f"class {name_class(label)}, {split}"
                axes.plot(*points[chosen].T, marker, color=colour, markersize=4.5, alpha=0.75, markeredgewidth=0, label=name)
        axes.set_ylabel("second component")
        _label(axes, "first component", title)
        return _to_svg(figure, title)


def plot_scatter(points: Mapping[str, tuple[np.ndarray, np.ndarray]], across: str, up: str, title: str) -> Markup:
    """Draw reached values against true ones, by name (true first, each (N,)), beside the line on which both are equal.

    `across` and `up` say what the true and the reached values are, with their unit.
    """
    with rc_context(STYLE):
        figure, axes = _make_axes(3.6)
        for (name, (true, reached)), colour in zip(points.items(), PALETTE, strict=False):
            axes.plot(true, reached, "o", color=colour, markersize=4, alpha=0.75, markeredgewidth=0, label=name)
        values = np.concatenate([true for true, _ in points.values()])
        ends = [values.min(), values.max()]
        axes.plot(ends, ends, color=INK, linewidth=0.6, label="both equal")
        axes.set_ylabel(up)
        _label(axes, across, title)
        return _to_svg(figure, title)


def _make_axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.2, height), layout="constrained")
    return figure, figure.add_subplot()


def _label(axes: Axes, across: str, title: str) -> None:
    axes.set_xlabel(across)
    axes.set_title(title, fontsize=9, loc="left")
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2, handlelength=1.2, columnspacing=1.0)


def _to_svg(figure: Figure, title: str) -> Markup:
    """Return a figure as an SVG element, the same text for the same figure."""
    buffer = io.StringIO()
    with rc_context({"svg.hashsalt": title}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    opening = Markup('<svg role="img" aria-label="{}"').format(title)
    return Markup(svg[svg.index("<svg") :].replace(INK, "currentColor").replace("<svg", str(opening), 1))
