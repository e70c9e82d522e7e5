"""What the page says, taken from the tables of an evaluation and a training."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from bundle.evaluation.candidates import TRIVIAL_METHODS
from bundle.evaluation.scoring import METRICS, select_kind
from bundle.evaluation.tables import WAYS, pivot_classes, pivot_maps, show_number
from bundle.report.plots import family_of, plot_curves, plot_figures

CLASS_FIGURES = (  # label, method, metric
    ("accuracy", "classifier", "accuracy"),
    ("content probe", "probe_content", "balanced_accuracy"),
)
MAIN_LOSSES = ("loss", "attribute_class", "kl", "map_reconstruction", "map", "reconstruction_l1")


def summarise_split(metrics: pd.DataFrame, split: str, headline: str) -> dict[str, Any]:
    """Return the few figures that a reader looks for first.

    Args:
        metrics: contents of `metrics.csv`.
        split: split to summarise.
        headline: metric of the maps.

    Returns:
        The split's name, the maps' `protocol` and `figures`: label, value, interval, and beside them the best trivial map.
    """
    rows = metrics[metrics["split"] == split]
    figures = []
    for kind in WAYS:
        maps = _select_maps(rows, headline, kind)
        for _, row in maps[maps["method"] == f"{kind}_reconstruction"].iterrows():
            rivals = maps[(maps["direction"] == row["direction"]) & maps["method"].isin(TRIVIAL_METHODS)]
            beside = f"best trivial map {show_number(rivals['mean'].max())}"
            figures.append(_figure(f"NCC({row['direction']}), {kind}", row, beside))
    for label, method, metric in CLASS_FIGURES:
        row = rows[(rows["method"] == method) & (rows["metric"] == metric)].iloc[0]
        figures.append(_figure(label, row, ""))
    known = set(_select_maps(rows, headline, WAYS[0])["protocol"])
    return {"split": split, "protocol": next(iter(known), None), "figures": figures}


def show_split(metrics: pd.DataFrame, split: str, headline: str) -> dict[str, Any]:
    """Return the tables and drawings of a split for the template.

    Args:
        metrics: contents of `metrics.csv`.
        split: split to show.
        headline: metric that is drawn and comes first.
    """
    rows = metrics[metrics["split"] == split]
    ordered = [headline, *(metric for metric in METRICS if metric != headline)]
    tables = {metric: {kind: pivot_maps(rows, metric, kind) for kind in WAYS} for metric in ordered}
    drawings = []
    for kind in WAYS:
        for direction, group in _select_maps(rows, headline, kind).groupby("direction", sort=False):
            protocol = group["protocol"].iloc[0]
            drawings.append(plot_figures(group.dropna(subset=["mean"]), f"{split}, {kind} maps, {protocol} NCC({direction})"))
    return {
        "split": split,
        "num_scans": int(rows[rows["method"] == "classifier"]["n"].max()),
        "tables": {
            metric: {kind: _rows_of(table) for kind, table in kinds.items() if len(table)} for metric, kinds in tables.items()
        },
        "classes": _rows_of(pivot_classes(rows)),
        "drawings": drawings,
    }


def _select_maps(rows: pd.DataFrame, metric: str, kind: str) -> pd.DataFrame:
    """Return the rows of one kind of map under the paired protocol, or under the paper's where the cohort knows no other."""
    maps = select_kind(rows[rows["metric"] == metric], kind)
    paired = maps[maps["protocol"] == "paired"]
    return paired if len(paired) else maps


def draw_curves(path: Path) -> Iterator[Markup]:
    """Yield drawings of the training history: losses and validation figures; none when there is no file.

    Args:
        path: `train.csv`.
    """
    if not path.is_file():
        return
    history = pd.read_csv(path)
    losses = [column for column in MAIN_LOSSES if column in history]
    figures = [column for column in history if column.startswith("val_")][:6]
    if losses:
        yield plot_curves(history, losses, "losses, unweighted but for their sum", log=True)
    if figures:
        yield plot_curves(history, figures, "validation")


def flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested settings as pairs of a dotted name and text.

    Args:
        settings: the settings.
        prefix: put before every name.
    """
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            yield f"{prefix}{name}".replace("_", " "), text


def _figure(label: str, row: pd.Series, beside: str) -> dict[str, str]:
    value = "n/a" if pd.isna(row["mean"]) else show_number(row["mean"])
    interval = f"{show_number(row['ci_low'])} to {show_number(row['ci_high'])}"
    return {"label": label, "value": value, "interval": interval, "beside": beside}


def _rows_of(table: pd.DataFrame) -> dict[str, Any]:
    rows = [(name.replace("_", " "), family_of(name), list(table.loc[name])) for name in table.index]
    return {"columns": [column.replace("_", " ") for column in table.columns], "rows": rows}
