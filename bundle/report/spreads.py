"""Pictures of the spread of sampled maps: beside their error, and how the true change differs between subjects."""

from collections.abc import Iterator

import pandas as pd

from bundle.evaluation.uncertainty import INTERVALS, Uncertainty
from bundle.inference.overview import COLOUR_LIMIT
from bundle.report.images import draw_map, draw_spread, find_point, name_planes, take_planes
from bundle.report.panels import MAP_END, SPREAD_END, Panel, Tile
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
    """Show mean and spread of the sampled maps of a row's scan, their error, and mean and spread of its true change.

    Errors are magnitudes of changes, and so have the colours' end of maps.
    """
    split, source = uncertainty.split, int(row["label"])
    directions = {split.name_direction(*pair): pair for pair in split.list_directions() if pair[0] == source}
    target = directions[row["direction"]][1]
    sample = uncertainty.sample(split, int(row["scan"]), row["draws"], target)
    assert sample is not None  # as the table has it
    mean, spread, expected = sample.maps.mean(0), sample.maps.std(0), sample.changes.mean()
    error, true = sample.changes.error(mean), uncertainty.find_true_spread(sample.scan, target)
    point = find_point(expected)
    tiles = [
        Tile(draw_map(take_planes(mean, point)), f"mean map, {MAP_END}"),
        Tile(draw_map(take_planes(expected, point)), f"expected true change, {MAP_END}"),
        Tile(draw_spread(take_planes(spread, point)), f"standard deviation of the maps, {SPREAD_END}"),
        Tile(draw_spread(take_planes(error, point), COLOUR_LIMIT), f"absolute error, 0 to {COLOUR_LIMIT:g}"),
    ]
    if true is not None:
        tiles.append(Tile(draw_spread(take_planes(true, point)), f"true standard deviation between subjects, {SPREAD_END}"))
    name = f"{row['participant_id']}, class {split.name_class(source)} to {split.name_class(target)}, attributes: {row['draws']}"
    name = f"{name}: correlation with the error {row['error_correlation']:.2f}"
    return Panel(f"{name}. {name_planes(sample.scan.image, sample.scan.affine, point)}", tiles)


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
