"""The comparison as text: one line a row, one column a figure."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bundle.benchmark.results import LEARNED, Row
from bundle.evaluation.names import CLASSIFIER, METRICS, in_words
from bundle.evaluation.reporting import show_interval, show_number

ACCURACY = "accuracy"
FAITHFULNESS = "faithfulness"  # begins the names of measures whose figures have a table of their own


def lay_out(summary: pd.DataFrame, figures: pd.DataFrame, rows: Sequence[Row], split: str, metric: str) -> pd.DataFrame:
    """Return the table of a split: accuracy, a metric of the maps by protocol and direction, and the number of seeds.

    A cell is the mean, the standard deviation over scans after a plus-minus sign, and the interval in brackets.
    """
    shown = summary[(summary["split"] == split) & (summary["metric"] == metric)]
    columns = list(dict.fromkeys(zip(shown["protocol"], shown["direction"], strict=True)))
    columns.sort(key=lambda column: (column[0] != "paper", column[1] != "-"))
    single = len({protocol for protocol, _ in columns}) == 1
    name = "NCC" if metric in METRICS else in_words(metric)
    cells = {}
    for _, line in shown.iterrows():
        mean, spread, low, high = show_number(line["mean"], 3), *(show_number(line[key]) for key in ("std", "ci_low", "ci_high"))
        cells[line["row"], line["protocol"], line["direction"]] = f"{mean} ± {spread} [{low}, {high}]"
    lines = {}
    for row in rows:
        scores = {
            f"{name}({direction})" + ("" if single else f", {protocol}"): cells.get((row.title, protocol, direction), "")
            for protocol, direction in columns
        }
        if any(scores.values()):
            accuracy, seeds = _find_accuracy(figures, row, split), shown.loc[shown["row"] == row.title, "num_seeds"].max()
            lines[row.title] = {ACCURACY: accuracy} | scores | {"seeds": str(seeds) if row.family == LEARNED else ""}
    return pd.DataFrame.from_dict(lines, orient="index")


def lay_out_faithfulness(figures: pd.DataFrame, rows: Sequence[Row], split: str) -> pd.DataFrame:
    """Return the table of the figures of faithfulness in a split; of several rows of one method and name the first is shown."""
    titles = {(row.method, row.name): row.title for row in reversed(rows)}
    shown = figures[(figures["split"] == split) & figures["measure"].str.startswith(FAITHFULNESS)]
    lines: dict[str, dict[str, str]] = {}
    for _, line in shown.iterrows():
        title = titles.get((line["method"], line["name"]))
        if title is not None:
            lines.setdefault(title, {})[f"{in_words(line['metric'])} ({line['direction']})"] = _format(line, "mean")
    ordered = {row.title: lines[row.title] for row in rows if row.title in lines}
    return pd.DataFrame.from_dict(ordered, orient="index")


def lay_out_leads(summary: pd.DataFrame, rows: Sequence[Row], split: str, metric: str) -> pd.DataFrame:
    """Return by how much the reference of `summarise_scores` is ahead of each row, with intervals, by the paper's protocol."""
    shown = summary[(summary["split"] == split) & (summary["metric"] == metric) & (summary["protocol"] == "paper")]
    lines = {}
    for row in rows:
        found = shown[shown["row"] == row.title]
        if any(found["lead"].abs() > 0):
            lines[row.title] = {
                f"ahead by, NCC({line['direction']})": _format(line, "lead", "lead_") for _, line in found.iterrows()
            }
    return pd.DataFrame.from_dict(lines, orient="index")


def add_published(table: pd.DataFrame, published: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Put the paper's figures, from other data, beside a table: `accuracy`, `minus` and `plus` by title of a row."""
    columns = {}
    for key, name in {"accuracy": ACCURACY, "minus": "NCC(-)", "plus": "NCC(+)"}.items():
        known = any(column.split(",")[0] == name for column in table)  # not with several classes
        if known and any(key in entry for entry in published.values()):
            values = [published.get(title, {}).get(key) for title in table.index]
            columns[f"published {name}"] = ["" if value is None else show_number(value, 3) for value in values]
    return table.assign(**columns)


def lay_out_accuracies(figures: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy of each method and measure by split, for cohorts in which no map can be scored."""
    lines: dict[str, dict[str, str]] = {}
    for _, line in figures.iterrows():
        if (line["name"], line["metric"]) == (CLASSIFIER, ACCURACY):
            cells = lines.setdefault(f"{line['method']}, {line['measure']}", {})
            cells[f"{ACCURACY}, {line['split']}"] = _format(line, "mean")
    return pd.DataFrame.from_dict(lines, orient="index")


def to_markdown(table: pd.DataFrame) -> str:
    """Return a table of text in Markdown."""
    lines = [["method", *table.columns], ["---"] * (1 + len(table.columns))]
    lines += [[str(title), *cells.astype(str)] for title, cells in table.fillna("").iterrows()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _find_accuracy(figures: pd.DataFrame, row: Row, split: str) -> str:
    """Return the accuracy of the classifier that a row belongs to; nothing where it has none."""
    if figures.empty or row.family != LEARNED:
        return ""
    sought = {"method": row.method, "measure": row.measure, "name": CLASSIFIER, "split": split, "metric": ACCURACY}
    found = figures[(figures[list(sought)] == pd.Series(sought)).all(axis=1)]
    return _format(found.iloc[0], "mean") if len(found) else ""


def _format(line: pd.Series, figure: str, prefix: str = "") -> str:
    """Return a figure with its interval; nothing where it is not defined."""
    return "" if pd.isna(line[figure]) else show_interval(line[figure], line[f"{prefix}ci_low"], line[f"{prefix}ci_high"])
