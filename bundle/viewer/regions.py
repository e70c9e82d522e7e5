"""The change by region, from the table of regions of an inference."""

import csv
from pathlib import Path

from bundle.inference.regions import TABLE

COLUMNS = ("region", "side", "mean", "extreme", "volume_ml", "z", "reliability")  # of those that the table has

Regions = dict[str, list[dict[str, str]]]


def read_regions(folder: str | Path) -> Regions:
    """Return the regions of each scan, by its name, those of the largest change first; none where there is no table.

    Args:
        folder: where inference has written to.

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
    shown = [key for key in COLUMNS if any(row.get(key) for row in rows)]
    for row in [row for row in rows if row["region"]]:
        found.setdefault(row["name"], []).append({key: _shorten(row[key] or "") for key in shown})
    return {name: sorted(own, key=lambda row: -_magnitude(row)) for name, own in found.items()}


def _shorten(cell: str) -> str:
    """Return a number with three digits; other text as it is."""
    try:
        return f"{float(cell):.3g}"
    except ValueError:
        return cell


def _magnitude(row: dict[str, str]) -> float:
    """Return how much a region changes: by its z-score where there is one, else by its mean."""
    try:
        return abs(float(row.get("z") or row["mean"]))
    except ValueError:
        return 0.0
