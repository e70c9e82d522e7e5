"""The change by region, from the table of regions of an inference."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bundle.atlases import LEAST, Region
from bundle.inference.regions import TABLE

COLUMNS = ("region", "side", "mean", "extreme", "volume_ml", "z", "reliability")  # of those that the table has


class RegionRow(NamedTuple):
    """What the page of a scan says of a region.

    Attributes:
        cells: its columns.
        is_doubtful: whether its reliability is below the limit from which on a region is reported.
    """

    cells: dict[str, str]
    is_doubtful: bool


Regions = dict[str, list[RegionRow]]


class Labels(NamedTuple):
    """Which region each voxel of a scan belongs to.

    Attributes:
        values: number of the region, 0 for none, shape (H, W, D), int16.
        names: name of each number, "" for none.
        places: voxel of the largest magnitude of the mean map in each region, by region and side.
    """

    values: np.ndarray
    names: list[str]
    places: dict[tuple[str, str], list[int]]


def read_regions(folder: str | Path) -> Regions:
    """Return the regions of each scan, by its name, those of the largest change first, and doubtful ones after all others.

    Args:
        folder: where inference has written to.

    Returns:
        The regions; none where there is no table.

    Raises:
        ValueError: When the table lacks a column that is needed.
    """
    path = Path(folder) / TABLE
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{key: "" if cell == "n/a" else cell for key, cell in row.items()} for row in csv.DictReader(file, delimiter="\t")]
    if rows and (absent := [name for name in ("name", "region", "side", "mean") if name not in rows[0]]):
        raise ValueError(f"{path} lacks the column {absent[0]}: its columns are {', '.join(rows[0])}")
    found: Regions = {}
    for row in rows:
        if row["region"]:  # none of a scan elsewhere
            cells = {key: _shorten(row[key] or "") for key in COLUMNS if key in row}
            found.setdefault(row["name"], []).append(RegionRow(cells, _read(row.get("reliability"), np.inf) < LEAST))
    for own in found.values():
        for key in ("z", "reliability"):
            if not any(region.cells.get(key) for region in own):
                for region in own:
                    region.cells.pop(key, None)
    return {name: sorted(own, key=lambda region: (region.is_doubtful, -_magnitude(region.cells))) for name, own in found.items()}


def find_places(values: np.ndarray, regions: Mapping[int, Region], mean: np.ndarray) -> Labels:
    """Number the regions that a scan has, and find where each changes most.

    Args:
        values: label of each voxel, 0 for none, shape (H, W, D).
        regions: region of each label.
        mean: mean map, of the same shape.
    """
    present = [label for label in np.unique(values).tolist() if label]
    numbers = np.searchsorted([0, *present], values).astype(np.int16)
    strength, places = np.abs(mean), {}
    for number, label in enumerate(present, start=1):
        strongest = np.where(numbers == number, strength, -1.0).argmax()
        places[regions[label].name, regions[label].side] = [int(place) for place in np.unravel_index(strongest, mean.shape)]
    return Labels(numbers, ["", *(_name(regions[label]) for label in present)], places)


def _name(region: Region) -> str:
    """Return a name such as "left hippocampus"."""
    return f"{region.side} {region.name}" if region.side in ("left", "right") else region.name


def _shorten(cell: str) -> str:
    """Return a number with three digits; other text as it is."""
    number = _read(cell, np.nan)
    return cell if np.isnan(number) else f"{number:.3g}"


def _magnitude(cells: Mapping[str, str]) -> float:
    """Return how much a region changes: by its z-score where there is one, else by its mean."""
    return abs(_read(cells.get("z") or cells["mean"], 0.0))


def _read(cell: str | None, other: float) -> float:
    """Return the number in a cell, or another one where it holds none."""
    try:
        return float(cell or "")
    except ValueError:
        return other
