"""The maps of all methods beside each other, scan by scan."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from bundle.benchmark.plan import Run
from bundle.benchmark.rows import LEARNED, Row, list_results
from bundle.data.intensities import BACKGROUND
from bundle.report.images import draw_map, draw_scan, draw_truth, find_point, find_range, take_planes
from bundle.report.panels import Panel, Tile


def make_panels(rows: Sequence[Row], runs: Sequence[Run], reference: Row) -> Iterator[Panel]:
    """Yield for each kept scan the scan, its truth and the map of every learned row, of the first seed of each.

    Source: Bass et al., NeurIPS 2020, Fig. 1 and 5 (https://arxiv.org/abs/2006.08287).

    Args:
        rows: rows of the comparison.
        runs: all runs.
        reference: row whose scans are shown.
    """
    learned = {row.title: read_maps(row, runs) for row in rows if row.family == LEARNED}
    shown = read_maps(reference, runs)
    for place in dict.fromkeys(name.rpartition("/")[0] for name in shown if name.endswith("/truth")):
        maps = {title: kept[f"{place}/map"] for title, kept in learned.items() if f"{place}/map" in kept}
        split, _, name = place.partition("/")
        title = f"{split}, scan {name.replace('>', ' to class ')}"
        yield make_panel(title, shown[f"{place}/scan"], shown[f"{place}/truth"], maps)


def make_panel(title: str, scan: Tensor, truth: Tensor, maps: Mapping[str, Tensor]) -> Panel:
    """Draw a scan, its truth and maps; every map has a scale of its own, as methods have different units.

    Args:
        title: heading of the row.
        scan: intensities in [-1, 1], shape (C, H, W[, D]).
        truth: mask or change, same shape.
        maps: maps by their captions, same shape.
    """
    point = find_point(truth)
    plane = take_planes(scan, point, BACKGROUND)
    tiles = [Tile(draw_scan(plane), "scan"), Tile(draw_truth(plane, take_planes(truth, point)), "truth")]
    tiles += [Tile(draw_map(take_planes(image, point), find_range(image)), caption) for caption, image in maps.items()]
    return Panel(title, tiles)


def read_maps(row: Row, runs: Sequence[Run]) -> dict[str, Tensor]:
    """Return the scans, truths and maps that the first run of a row has kept, by a name such as `seen/3>0/map`.

    Args:
        row: row of the comparison.
        runs: all runs.
    """
    wanted = {row.name: "map", "scan": "scan", "truth": "truth"}
    for _, folder in list_results(runs, row.method, row.measure):
        with np.load(folder / "maps.npz") as kept:  # an image is read when it is asked for
            places = [name.rpartition("/") for name in kept.files]
            return {
                f"{place}/{wanted[name]}": torch.from_numpy(kept[f"{place}/{name}"].astype(np.float32))
                for place, _, name in places
                if name in wanted
            }
    return {}
