"""The comparison as text: one line a row, one column a figure."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bundle.benchmark.rows import LEARNED, Row
from bundle.evaluation.names import CLASSIFIER
from bundle.evaluation.reporting import show_interval, show_number

ACCURACY = "accuracy"
PUBLISHED = "published"
EXAMINATION = "examination"  # begins the names of measures whose figures have a table of their own


def lay_out(summary: pd.DataFrame, figures: pd.DataFrame, rows: Sequence[Row], split: str, metric: str) -> pd.DataFrame:
    """Return the table of a split: accuracy, a metric of the maps by protocol and direction, and the number of seeds.

    A cell is the mean, the standard deviation over scans after a plus-minus sign, and the interval in brackets.

    Args:
        summary: from `summarise_scores`.
        figures: from `summarise_figures`.
        rows: rows of the comparison, in their order.
        split: split that is shown.
        metric: metric of the maps.
    """
    shown = summary[(summary["split"] == split) & (summary["metric"] == metric)]
    columns = list(dict.fromkeys(zip(shown["protocol"], shown["direction"], strict=True)))
    columns.sort(key=lambda column: (column[0] != "paper", column[1] != "-"))
    single = len({protocol for protocol, _ in columns}) == 1
    name = metric.split("_")[0]
    cells = {(line["row"], line["protocol"], line["direction"]): format_score(line) for _, line in shown.iterrows()}
    lines = {}
    for row in rows:
        scores = {
            f"{name.upper()}({direction})" + ("" if single else f", {protocol}"): cells.get((row.title, protocol, direction), "")
            for protocol, direction in columns
        }
        if any(scores.values()):
            accuracy, seeds = _find_accuracy(figures, row, split), shown.loc[shown["row"] == row.title, "num_seeds"].max()
            lines[row.title] = {ACCURACY: accuracy} | scores | {"seeds": str(seeds) if row.family == LEARNED else ""}
    return pd.DataFrame.from_dict(lines, orient="index")


def lay_out_more(figures: pd.DataFrame, rows: Sequence[Row], split: str) -> pd.DataFrame:
    """Return the table of what an examination found in a split; empty where there was none.

    Args:
        figures: from `summarise_figures`.
        rows: rows of the comparison, in their order; of several of one method and name the first is shown.
        split: split that is shown.
    """
    titles = {(row.method, row.name): row.title for row in reversed(rows)}
    shown = figures[(figures["split"] == split) & figures["measure"].str.startswith(EXAMINATION)]
    lines: dict[str, dict[str, str]] = {}
    for _, line in shown.iterrows():
        title = titles.get((line["method"], line["name"]))
        if title is not None:
            column = f"{line['metric'].replace('_', ' ')} ({line['direction']})"
            lines.setdefault(title, {})[column] = _format(line, "mean", "ci_low", "ci_high")
    ordered = {row.title: lines[row.title] for row in rows if row.title in lines}
    return pd.DataFrame.from_dict(ordered, orient="index")


def show_leads(summary: pd.DataFrame, rows: Sequence[Row], split: str, metric: str, protocol: str = "paper") -> pd.DataFrame:
    """Return by how much the rival of `summarise_scores` is ahead of each row, with intervals.

    Args:
        summary: from `summarise_scores`.
        rows: rows of the comparison, in their order.
        split: split that is shown.
        metric: metric of the maps.
        protocol: protocol that is shown.
    """
    shown = summary[(summary["split"] == split) & (summary["metric"] == metric) & (summary["protocol"] == protocol)]
    lines = {}
    for title in (row.title for row in rows):
        found = shown[shown["row"] == title]
        leads = {line["direction"]: _format(line, "lead", "lead_ci_low", "lead_ci_high") for _, line in found.iterrows()}
        if any(found["lead"].abs() > 0):
            lines[title] = {f"ahead by, NCC({direction})": lead for direction, lead in leads.items()}
    return pd.DataFrame.from_dict(lines, orient="index")


def add_published(table: pd.DataFrame, published: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Put the paper's figures, from other data, beside a table.

    Args:
        table: from `lay_out`.
        published: by title of a row `accuracy`, `minus` and `plus`.
    """
    keys = {"accuracy": ACCURACY, "minus": "NCC(-)", "plus": "NCC(+)"}
    shown = {name for entry in published.values() for name in entry if name in keys}
    shown &= {name for name in keys if any(column.split(",")[0] == keys[name] for column in table)}  # not of several classes
    table = table.copy()
    for name in (name for name in keys if name in shown):
        column = [published.get(title, {}).get(name) for title in table.index]
        table[f"{PUBLISHED} {keys[name]}"] = ["" if value is None else show_number(value, 3) for value in column]
    return table


def lay_out_accuracies(figures: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy of each method and measure by split, for cohorts in which no map can be scored.

    Args:
        figures: from `summarise_figures`; empty for none.
    """
    lines: dict[str, dict[str, str]] = {}
    if len(figures):
        for _, line in figures[(figures["name"] == CLASSIFIER) & (figures["metric"] == ACCURACY)].iterrows():
            cells = lines.setdefault(f"{line['method']}, {line['measure']}", {})
            cells[f"{ACCURACY}, {line['split']}"] = _format(line, "mean", "ci_low", "ci_high")
    return pd.DataFrame.from_dict(lines, orient="index")


def to_markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown.

    Args:
        table: cells of text, one line a row.
    """
    lines = [["method", *table.columns], ["---"] * (1 + len(table.columns))]
    lines += [[str(title), *cells.astype(str)] for title, cells in table.fillna("").iterrows()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def format_score(line: pd.Series) -> str:
    """Return a figure as "0.53 ± 0.10 [0.48, 0.57]".

    Args:
        line: line of `summarise_scores`.
    """
    low, high = show_number(line["ci_low"]), show_number(line["ci_high"])
    return f"{show_number(line['mean'], 3)} ± {show_number(line['std'])} [{low}, {high}]"


def _find_accuracy(figures: pd.DataFrame, row: Row, split: str) -> str:
    """Return the accuracy of the classifier that a row belongs to; nothing where it has none."""
    if figures.empty or row.family != LEARNED:
        return ""
    chosen = (figures["method"] == row.method) & (figures["measure"] == row.measure) & (figures["name"] == CLASSIFIER)
    found = figures[chosen & (figures["split"] == split) & (figures["metric"] == ACCURACY)]
    return _format(found.iloc[0], "mean", "ci_low", "ci_high") if len(found) else ""


def _format(line: pd.Series, mean: str, low: str, high: str) -> str:
    return "" if pd.isna(line[mean]) else show_interval(line[mean], line[low], line[high])
