"""Results as text."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bundle.evaluation.names import AGES, NETWORK_METHODS, OWN_METHODS, PAIRS, PAPER, REGIONS, UNCERTAINTY, WAYS, select_kind

FIGURES = {  # tables of other figures than NCC: protocol and what it is called
    "": "classes",
    PAIRS: "two scans of one participant",
    REGIONS: "regions: change drawn over the true change, and NCC",
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


def format_results(metrics: pd.DataFrame, headline: str, gaps: Sequence[str] = ()) -> str:
    """Lay `metrics.csv` out for the terminal: for each split tables of exemplar and of sampled maps, and those of `FIGURES`.

    A cell is the mean with its interval, and a star marks the network's own maps. Gaps are sentences on what was not computed.
    """
    blocks = []
    for split, group in metrics.groupby("split", sort=False):
        for kind in WAYS:
            maps = pivot_maps(group, headline, kind)
            if len(maps):
                starred = maps.rename(index={method: f"{method} *" for method in NETWORK_METHODS + OWN_METHODS})
                title = f"{group['cohort'].iloc[0]}, {split}, {kind} maps (*): {headline}, mean [interval]"
                blocks += [title, _align(starred)]
        blocks += _format_figures(group, FIGURES)
    return "\n".join(["", *blocks, *(f"Left out: {sentence}." for sentence in gaps)])


def format_faithfulness(metrics: pd.DataFrame, protocols: Mapping[str, str], remarks: Sequence[str] = ()) -> str:
    """Lay figures on faithfulness out for the terminal: for each split a titled table a protocol; remarks come last."""
    groups = [group for _, group in metrics.groupby("split", sort=False)]
    return "\n".join(["", *(line for group in groups for line in _format_figures(group, protocols)), *remarks])


def pivot_maps(metrics: pd.DataFrame, metric: str, kind: str) -> pd.DataFrame:
    """Return one row a method and one column for each protocol and direction of the maps of one split, as text.

    Trivial maps and the exact change are beside those of the kind, "exemplar" or "sampled", against the same truths.
    """
    rows = select_kind(metrics[metrics["metric"] == metric], kind)
    rows = rows.sort_values("protocol", key=lambda column: column != PAPER, kind="stable")
    return _spread(rows, rows["protocol"] + " NCC(" + rows["direction"] + ")")


def pivot_figures(metrics: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """Return one row a method and direction and one column a figure of a protocol, of one split of `metrics.csv`, as text.

    Of regions, which are many, there is a row a region, and a column a method and direction with both figures.
    """
    rows = metrics[metrics["protocol"] == protocol]
    if protocol == REGIONS and len(rows):
        return _pivot_regions(rows)
    rows = rows[rows["metric"].isin(FEWER.get(protocol, rows["metric"]))]
    directions = rows["direction"].map(lambda direction: f" ({direction})" if direction else "")
    return _spread(rows.assign(method=rows["method"] + directions), rows["metric"])


def _pivot_regions(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a region and one column a method, not against the input, and direction: "0.98, 0.60"."""
    shown = rows[~rows["method"].str.endswith("_input") & rows["metric"].str.startswith(("drawn_", "ncc_"))]
    names = shown["metric"].str.partition("_")
    values = shown.assign(kind=names[0], region=names[2], column=shown["method"] + " (" + shown["direction"] + ")")
    texts = values.pivot_table(index=["region", "column"], columns="kind", values="mean", sort=False)
    cells = texts.reindex(columns=["drawn", "ncc"]).map(show_number).agg(", ".join, axis=1)
    return cells.unstack("column", sort=False).fillna("").rename_axis(index=None, columns=None)


def format_figure(row: pd.Series) -> str:
    """Return a row of `metrics.csv` as "0.530 [0.48, 0.57]", or "n/a"."""
    if pd.isna(row["mean"]):
        return "n/a"
    more = 2 if str(row["metric"]).startswith(SMALL) else 0
    return show_interval(row["mean"], row["ci_low"], row["ci_high"], more)


def show_interval(mean: float, low: float, high: float, more: int = 0) -> str:
    """Return a figure with its interval, if any, as "0.530 [0.48, 0.57]", with `more` decimals."""
    if pd.isna(low) or pd.isna(high):
        return show_number(mean, 3 + more)
    return f"{show_number(mean, 3 + more)} [{show_number(low, 2 + more)}, {show_number(high, 2 + more)}]"


def show_number(value: float, digits: int = 2) -> str:
    """Return a number with a fixed number of decimals, without a minus sign before a zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _format_figures(group: pd.DataFrame, protocols: Mapping[str, str]) -> list[str]:
    """Return titles and tables of the figures of one split, by protocol."""
    blocks = []
    for protocol, name in protocols.items():
        figures = pivot_figures(group, protocol)
        if len(figures):
            blocks += [f"{group['cohort'].iloc[0]}, {group['split'].iloc[0]}: {name}", _align(figures)]
    return blocks


def _spread(rows: pd.DataFrame, columns: pd.Series) -> pd.DataFrame:
    cells = {(row["method"], column): format_figure(row) for (_, row), column in zip(rows.iterrows(), columns, strict=True)}
    methods, names = dict.fromkeys(rows["method"]), dict.fromkeys(columns)
    return pd.DataFrame([[cells.get((m, c), "") for c in names] for m in methods], index=list(methods), columns=list(names))


def _align(table: pd.DataFrame) -> str:
    return "\n".join(f"  {line}" for line in table.to_string().splitlines()) + "\n"
