"""Results as text."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bundle.evaluation.ages import AGES
from bundle.evaluation.candidates import NETWORK_METHODS, OWN_METHODS
from bundle.evaluation.pairing import PAIRS
from bundle.evaluation.scoring import select_kind
from bundle.evaluation.uncertainty import UNCERTAINTY

FIGURES = {  # tables of other figures than NCC: protocol and what it is called
    "": "classes",
    PAIRS: "two scans of one participant",
    AGES: "ages",
    UNCERTAINTY: "spread of sampled maps",
}
SMALL = ("map_of", "composition", "reversibility", "kid")  # beginnings of figures that are far below one
FEWER = {  # protocols of whose figures some are shown; metrics.csv has all
    UNCERTAINTY: (
        "error_correlation", "spread_correlation", "mean_ncc", "normal_coverage_90", "calibrated_coverage_90",
        "calibrated_changed_90", "calibrated_found_90", "calibrated_false_90", "phenotype_distance", "perfect_distance",
    ),
}  # fmt: skip
WAYS = ("exemplar", "sampled")  # kinds of map, each with its own table


def format_results(metrics: pd.DataFrame, headline: str, left_out: Sequence[str] = ()) -> str:
    """Lay the results out for the terminal: for each split a table of exemplar maps, one of sampled maps, and those of `FIGURES`.

    Args:
        metrics: contents of `metrics.csv`.
        headline: metric of the maps that is shown.
        left_out: sentences on what could not be computed.

    Returns:
        Plain text; a cell is the mean with its interval, and a star marks the network's own maps.
    """
    blocks = []
    for split, group in metrics.groupby("split", sort=False):
        cohort = group["cohort"].iloc[0]
        for kind in WAYS:
            maps = pivot_maps(group, headline, kind)
            if len(maps):
                starred = maps.rename(index={method: f"{method} *" for method in NETWORK_METHODS + OWN_METHODS})
                blocks += [f"{cohort}, {split}, {kind} maps (*): {headline}, mean [interval]", _align(starred)]
        for protocol, name in FIGURES.items():
            figures = pivot_figures(group, protocol)
            blocks += [f"{cohort}, {split}: {name}", _align(figures)] if len(figures) else []
    return "\n".join(["", *blocks, *(f"Left out: {sentence}." for sentence in left_out)])


def format_examination(metrics: pd.DataFrame, protocols: Mapping[str, str], remarks: Sequence[str] = ()) -> str:
    """Lay an examination out for the terminal: for each split a table of each kind of figures.

    Args:
        metrics: contents of its `metrics.csv`.
        protocols: what the figures of each protocol are called.
        remarks: sentences that come last.

    Returns:
        Plain text; a cell is the mean with its interval.
    """
    blocks = []
    for split, group in metrics.groupby("split", sort=False):
        for protocol, name in protocols.items():
            figures = pivot_figures(group, protocol)
            blocks += [f"{group['cohort'].iloc[0]}, {split}: {name}", _align(figures)] if len(figures) else []
    return "\n".join(["", *blocks, *remarks])


def pivot_maps(metrics: pd.DataFrame, metric: str, kind: str) -> pd.DataFrame:
    """Return one row a method and one column for each protocol and direction of the maps of one split, as text.

    Args:
        metrics: rows of `metrics.csv`.
        metric: metric that is shown.
        kind: "exemplar" or "sampled" maps; trivial maps and the exact change are beside them, against the same truths.
    """
    rows = select_kind(metrics[metrics["metric"] == metric], kind)
    rows = rows.sort_values("protocol", key=lambda column: column != "paper", kind="stable")
    return _spread(rows, rows["protocol"] + " NCC(" + rows["direction"] + ")")


def pivot_figures(metrics: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """Return one row a method and direction and one column a figure of one split, as text.

    Args:
        metrics: rows of `metrics.csv`.
        protocol: which figures, of `FIGURES`.
    """
    rows = metrics[metrics["protocol"] == protocol]
    rows = rows[rows["metric"].isin(FEWER.get(protocol, rows["metric"]))]
    directions = rows["direction"].map(lambda direction: f" ({direction})" if direction else "")
    return _spread(rows.assign(method=rows["method"] + directions), rows["metric"])


def format_figure(row: pd.Series) -> str:
    """Return a figure as "0.53 [0.48, 0.57]", or "n/a".

    Args:
        row: row of `metrics.csv`.
    """
    if pd.isna(row["mean"]):
        return "n/a"
    more = 2 if str(row["metric"]).startswith(SMALL) else 0
    return show_interval(row["mean"], row["ci_low"], row["ci_high"], more)


def show_interval(mean: float, low: float, high: float, more: int = 0) -> str:
    """Return a figure with its interval as "0.530 [0.48, 0.57]".

    Args:
        mean: the figure.
        low: lower end of the interval.
        high: upper end.
        more: further decimals.
    """
    return f"{show_number(mean, 3 + more)} [{show_number(low, 2 + more)}, {show_number(high, 2 + more)}]"


def show_number(value: float, digits: int = 2) -> str:
    """Return a number with a fixed number of decimals, without a minus sign before a zero.

    Args:
        value: the number.
        digits: decimals.
    """
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _spread(rows: pd.DataFrame, columns: pd.Series) -> pd.DataFrame:
    cells = {
        (row["method"], column): format_figure(row)
        for (_, row), column in zip(rows.iterrows(), columns, strict=True)
    }
    methods, names = dict.fromkeys(rows["method"]), dict.fromkeys(columns)
    return pd.DataFrame([[cells.get((m, c), "") for c in names] for m in methods], index=list(methods), columns=list(names))


def _align(table: pd.DataFrame) -> str:
    return "\n".join(f"  {line}" for line in table.to_string().splitlines()) + "\n"
