"""Pictures of the spread of sampled maps: beside their error, and how the true change differs between subjects."""

from collections.abc import Iterator

import pandas as pd

from bundle.evaluation.uncertainty import INTERVALS, Uncertainty
from bundle.report.images import draw_map, draw_spread, find_point, find_range, take_planes
from bundle.report.panels import Panel, Tile
from bundle.report.plots import Drawing, plot_scatter


def make_spreads(uncertainty: Uncertainty | None, table: pd.DataFrame, split: str) -> list[Panel]:
    """Show, for each direction and attribute source, the scan whose spread has the median correlation with the error.

    The table is `uncertainty.csv`; it may be empty.
    """
    if uncertainty is None or table.empty:
        return []
    panels = []
    known = table[table["split"] == split].dropna(subset=["error_correlation"])
    for _, group in known.groupby(["direction", "draws"], sort=False):
        ordered = group.sort_values(["error_correlation", "scan"])
        panels.append(make_spread(uncertainty, ordered.iloc[(len(ordered) - 1) // 2]))
    return panels


def make_spread(uncertainty: Uncertainty, row: pd.Series) -> Panel:
    """Show mean and spread of the sampled maps of a row's scan, their error, and mean and spread of its true change."""
    split, source = uncertainty.split, int(row["label"])
    directions = {split.name_direction(*pair): pair for pair in split.list_directions() if pair[0] == source}
    target = directions[row["direction"]][1]
    sample = uncertainty.sample(split, int(row["scan"]), row["draws"], target)
    assert sample is not None  # as the table has it
    mean, spread, expected = sample.maps.mean(0), sample.maps.std(0), sample.changes.mean()
    error, true = sample.changes.error(mean), uncertainty.find_true_spread(sample.scan, target)
    point, limit = find_point(expected), find_range(mean, expected)
    highest = find_range(spread) if true is None else find_range(spread, true)
    tiles = [
        Tile(draw_map(take_planes(mean, point), limit), f"mean map, ±{limit:.2f}"),
        Tile(draw_map(take_planes(expected, point), limit), f"expected true change, ±{limit:.2f}"),
        Tile(draw_spread(take_planes(spread, point), highest), f"standard deviation of the maps, to {highest:.1g}"),
        Tile(draw_spread(take_planes(error, point), find_range(error)), f"absolute error, to {find_range(error):.1g}"),
    ]
    if true is not None:
        caption = f"true standard deviation between subjects, to {highest:.1g}"
        tiles.append(Tile(draw_spread(take_planes(true, point), highest), caption))
    name = f"{row['participant_id']}, class {split.name_class(source)} to {split.name_class(target)}, attributes: {row['draws']}"
    return Panel(f"{name}: correlation with the error {row['error_correlation']:.2f}", tiles)


def draw_coverage(table: pd.DataFrame, split: str) -> Iterator[Drawing]:
    """Yield drawings of the share of the true change that intervals hold, in `uncertainty.csv`, against their level."""
    if table.empty:
        return
    for (direction, kind), group in table[table["split"] == split].groupby(["direction", "draws"], sort=False):
        points = {}
        for name in INTERVALS:
            for figure, place in (("coverage", "brain"), ("changed", "where it changes")):
                start = f"{name}_{figure}_"
                columns = [column for column in table if column.startswith(start)]
                if columns:
                    levels = [float(column.removeprefix(start)) / 100 for column in columns]
                    points[f"{name}, {place}"] = (pd.Series(levels).to_numpy(), group[columns].mean().to_numpy())
        svg = plot_scatter(points, "level", "held share of voxels", f"{split}: intervals ({direction}), attributes: {kind}")
        caption = (
            "Share of voxels whose true change lies in the interval against the level of the interval, both dimensionless; "
            f"mean over {len(group)} scans, direction ({direction}), attribute source {kind}."
        )
        yield Drawing(svg, "Do intervals hold as often as they should?", caption)
