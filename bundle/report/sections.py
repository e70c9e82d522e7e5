"""Figures, tables and drawings of the page, from the tables of an evaluation and a training."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from bundle.evaluation.classification import bin_confidence
from bundle.evaluation.names import METRICS, TRIVIAL_METHODS, WAYS, in_words, select_kind
from bundle.evaluation.reporting import FIGURES, pivot_figures, pivot_maps, show_number
from bundle.evaluation.split import CONVERTER, Split
from bundle.report.plots import Drawing, family_of, plot_curves, plot_figures, plot_scatter, show_span

MAIN_FIGURES = (  # label, method, metric; shown where there are such rows
    ("accuracy", "classifier", "accuracy"),
    ("balanced accuracy", "classifier", "balanced_accuracy"),
    ("AUC", "classifier", "auc"),
    ("content probe", "probe_content", "balanced_accuracy"),
    ("repeat ratio", "longitudinal", "repeat_ratio"),
    ("volume effect, exemplar", "exemplar", "volume_correlation"),
    ("volume effect, longitudinal", "longitudinal", "volume_correlation"),
    ("age, error in years", "regressor", "mae"),
    ("age after translation, error in years", "to_age", "mae"),
)
MAIN_LOSSES = ("loss", "attribute_class", "kl", "map_reconstruction", "map", "reconstruction_l1")


def summarise_split(metrics: pd.DataFrame, split: str, headline: str) -> dict[str, Any]:
    """Return the few figures of a split that a reader needs first, from `metrics.csv`.

    These are the split's name, the maps' `protocol` and `figures`: label, value, interval, and beside them the best trivial map.
    """
    rows = metrics[metrics["split"] == split]
    figures = []
    for kind in WAYS:
        maps = _select_maps(rows, headline, kind)
        for _, row in maps[maps["method"] == f"{kind}_reconstruction"].iterrows():
            others = maps[(maps["direction"] == row["direction"]) & maps["method"].isin(TRIVIAL_METHODS)]
            beside = f"best trivial map {show_number(others['mean'].max())}"
            figures.append(_figure(f"NCC({row['direction']}), {kind}", row, beside))
    for label, method, metric in MAIN_FIGURES:
        for _, row in rows[(rows["method"] == method) & (rows["metric"] == metric)].iterrows():
            name = f"{label} ({row['direction']})" if row["direction"] else label
            trivial = rows.loc[(rows["method"] == "training_mean") & (rows["metric"] == metric), "mean"]
            beside = f"predicting the mean {show_number(trivial.iloc[0])}" if method == "regressor" and len(trivial) else ""
            figures.append(_figure(name, row, beside))
    known = set(_select_maps(rows, headline, WAYS[0])["protocol"])
    return {"split": split, "protocol": next(iter(known), None), "figures": figures}


def show_split(metrics: pd.DataFrame, split: str, headline: str, level: float = 0.95) -> dict[str, Any]:
    """Return the tables and drawings of a split for the template; the metric `headline` is drawn and comes first.

    `level` is that of the intervals in the table.
    """
    rows = metrics[metrics["split"] == split]
    ordered = [headline, *(metric for metric in METRICS if metric != headline)]
    tables = {metric: {kind: pivot_maps(rows, metric, kind) for kind in WAYS} for metric in ordered}
    figures = {name: pivot_figures(rows, protocol) for protocol, name in FIGURES.items()}
    drawings = []
    for kind in WAYS:
        for direction, group in _select_maps(rows, headline, kind).groupby("direction", sort=False):
            shown = group.dropna(subset=["mean"])
            named = shown.assign(method=shown["method"].map(in_words), family=shown["method"].map(family_of))
            svg = plot_figures(named, f"{split}, {kind} maps: NCC({direction})")
            caption = (
                f"Mean {in_words(headline)}, of {kind} maps, direction ({direction}), {shown['protocol'].iloc[0]} protocol; "
                f"dimensionless, 1 is best. Bars: {100 * level:g} % intervals over {show_span(shown['n'])} scans (bootstrap)."
            )
            drawings.append(Drawing(svg, "Does the map lie where the change is?", caption))
    return {
        "split": split,
        "num_scans": int(rows[rows["protocol"] == ""]["n"].max()),
        "tables": {
            metric: {kind: _rows_of(table) for kind, table in kinds.items() if len(table)} for metric, kinds in tables.items()
        },
        "figures": {name: _rows_of(table) for name, table in figures.items() if len(table)},
        "drawings": drawings,
    }


def _select_maps(rows: pd.DataFrame, metric: str, kind: str) -> pd.DataFrame:
    """Return the rows of one kind of map under the paired protocol, or under the paper's where the cohort has no other."""
    maps = select_kind(rows[rows["metric"] == metric], kind)
    paired = maps[maps["protocol"] == "paired"]
    return paired if len(paired) else maps


def count_classes(split: Split, name: str) -> str:
    """Return how many test scans of each class there are, such as "8 scans: 4 of class 0 MCI, 4 of class 1 AD"."""
    labels = [label for label, own in zip(split.labels.tolist(), split.names, strict=True) if own == name]
    counts = ", ".join(f"{labels.count(label)} of class {split.name_class(label)}" for label in range(split.num_classes))
    return f"{len(labels)} scan{'s' if len(labels) != 1 else ''}: {counts}"


def count_confusions(split: Split, probabilities: np.ndarray, name: str) -> dict[str, Any]:
    """Return the confusion matrix of the scans of one split, as a table of the template: a row a class, a column a prediction.

    Args:
        split: the test split.
        probabilities: of all its scans, shape (N, K); (N, 0) for none, which gives an empty table.
        name: which part of it, such as "seen".
    """
    rows = np.flatnonzero(np.array(split.names) == name)
    if not len(rows) or not probabilities.shape[1]:
        return {}
    classes = [split.name_class(label) for label in range(split.num_classes)]
    counts = confusion_matrix(split.labels[rows], probabilities[rows].argmax(1), labels=range(split.num_classes))
    own = [(f"of class {label}", "", [int(count) for count in row]) for label, row in zip(classes, counts, strict=True)]
    return {"columns": [f"predicted {label}" for label in classes], "rows": own}


def list_scans(split: Split, probabilities: np.ndarray, name: str) -> dict[str, Any]:
    """Return the scans of one split with class, prediction and its probability; arguments as of `count_confusions`."""
    known = probabilities.shape[1] > 0
    rows = []
    for index in np.flatnonzero(np.array(split.names) == name).tolist():
        row, chances = split.rows[index], probabilities[index]
        cells = [str(row.get("session_id", "")), split.name_class(int(split.labels[index]))]
        cells += [split.name_class(int(chances.argmax())), f"{chances.max():.3f}"] if known else []
        rows.append((str(row["participant_id"]), "", cells))
    return {"columns": ["session", "class"] + ["predicted", "probability"] * known, "rows": rows}


def describe_phases(path: Path) -> Iterator[str]:
    """Yield a sentence for each phase of a training history, `train.csv`, and one on the epoch whose network was kept."""
    history = pd.read_csv(path) if path.is_file() else pd.DataFrame()
    if not {"phase", "chosen"} <= set(history) or history["phase"].isna().all():
        return
    for phase, epochs in history.groupby("phase", sort=False)["epoch"]:
        yield (
            f"Epochs {epochs.min()} to {epochs.max()}: phase {phase}."
            if len(epochs) > 1
            else f"Epoch {epochs.min()}: phase {phase}."
        )
    for _, row in history[history["chosen"] == 1].iterrows():
        yield f"The network of epoch {row['epoch']}, phase {row['phase']}, is the one that was kept."


def draw_volumes(volumes: pd.DataFrame, split: str) -> Iterator[Drawing]:
    """Yield drawings of the change of ventricle volume in `volumes.csv` against the true change, one a direction."""
    if volumes.empty:
        return
    rows = volumes[(volumes["split"] == split) & (volumes["kind"] == CONVERTER)]
    for direction, group in rows.groupby("direction", sort=False):
        ways = group.groupby("method", sort=False)
        points = {in_words(name): (way["true_change_ml"].to_numpy(), way["change_ml"].to_numpy()) for name, way in ways}
        svg = plot_scatter(points, "true change, ml", "change by translation, ml", f"{split}: ventricle volume ({direction})")
        caption = (
            "Change of the ventricles by translation against the change between two scans of a participant, ml, direction "
            f"({direction}); a point a scan, {show_span(ways.size())} of each way to translate, one training."
        )
        yield Drawing(svg, "Do ventricles change by the right amount?", caption)


def draw_reliability(split: Split, probabilities: np.ndarray, name: str) -> Iterator[Drawing]:
    """Yield the reliability diagram of the scans of one split: how often each group of probabilities came true.

    Args:
        split: the test split.
        probabilities: of all its scans, shape (N, K); (N, 0) for none.
        name: which part of it, such as "seen".
    """
    rows = np.flatnonzero(np.array(split.names) == name)
    if not len(rows) or not probabilities.shape[1]:
        return
    chosen, right = probabilities[rows], probabilities[rows].argmax(1) == split.labels[rows]
    bins = bin_confidence(chosen)
    groups = [bins == each for each in np.unique(bins)]
    said, came = (np.array([values[group].mean() for group in groups]) for values in (chosen.max(1), right))
    points = {"groups of scans of like probability": (said, came)}
    svg = plot_scatter(points, "probability of the predicted class, mean", "share that is right", f"{name}: reliability")
    caption = (
        "Share of scans whose predicted class is right against the mean probability of that class, both dimensionless, in groups "
        f"of {', '.join(str(group.sum()) for group in groups)} scans of rising probability."
    )
    yield Drawing(svg, "Do probabilities come true?", caption)


def draw_ages(ages: pd.DataFrame, split: str) -> Iterator[Drawing]:
    """Yield drawings of the predicted ages in `ages.csv` against the ages, and of those of translated scans likewise."""
    rows = ages[ages["split"] == split] if len(ages) else ages
    for true, reached, name, across, question in (
        ("age", "predicted_age", "scans", "age, years", "Is the age right?"),
        ("target_age", "translated_age", "translated scans", "wanted age, years", "Is the wanted age reached?"),
    ):
        if {true, reached} <= set(rows) and rows[reached].notna().any():
            known = rows.dropna(subset=[true, reached])
            points = {name: (known[true].to_numpy(), known[reached].to_numpy())}
            svg = plot_scatter(points, across, "predicted age, years", f"{split}: age of {name}")
            yield Drawing(svg, question, f"Predicted age of {len(known)} {name} against the {across}; one training.")


def draw_curves(path: Path) -> Iterator[Drawing]:
    """Yield drawings of the training history, `train.csv`: losses and validation figures; none when there is no file."""
    if not path.is_file():
        return
    history = pd.read_csv(path)
    losses = [column for column in MAIN_LOSSES if column in history]
    figures = [column for column in history if column.startswith("val_")][:6]
    if losses:
        svg = plot_curves(history, losses, "losses", log=True)
        caption = "Losses of the training split, means over each epoch, dimensionless; unweighted but for their sum, `loss`."
        yield Drawing(svg, "Did the training settle?", caption)
    if figures:
        svg = plot_curves(history, figures, "validation")
        yield Drawing(svg, "When was the network good enough?", "Figures of the validation split, at the epochs that have them.")


def flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield nested settings as pairs of a dotted name, after the prefix, and text."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            yield f"{prefix}{name}".replace("_", " "), text


def _figure(label: str, row: pd.Series, beside: str) -> dict[str, str]:
    value = "n/a" if pd.isna(row["mean"]) else show_number(row["mean"])
    known = not pd.isna(row["ci_low"])
    interval = f"{show_number(row['ci_low'])} to {show_number(row['ci_high'])}" if known else "no interval"
    return {"label": label, "value": value, "interval": interval, "beside": beside}


def _rows_of(table: pd.DataFrame) -> dict[str, Any]:
    rows = [(in_words(name), family_of(name.partition(" (")[0]), list(table.loc[name])) for name in table.index]
    return {"columns": [in_words(column) for column in table.columns], "rows": rows}
