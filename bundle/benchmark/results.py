"""The rows of the comparison, and what the runs that are done have found."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bundle.benchmark.plan import ALL, Run
from bundle.evaluation.names import AGAINST_CHANGE, ORACLES, TRIVIAL_METHODS, in_words

LEARNED, TRIVIAL, EXACT = "learned", "trivial", "exact change"


class Row(NamedTuple):
    """A row of the comparison.

    Attributes:
        title: its name.
        method: method whose runs it is taken from.
        measure: what was measured of them.
        name: what it is called in the tables of the measure.
        family: "learned", "trivial" or "exact change".
    """

    title: str
    method: str
    measure: str
    name: str
    family: str = LEARNED


class Results:
    """Tables and maps of the runs that are done.

    Args:
        methods: by name `rows`, as in `bundle.benchmark.Plan`.
        runs: all runs.
        reference: title of the row that all others are compared with.

    Attributes:
        rows: rows of all methods, and after them those that take no training.
        reference: the row of that title.
        shown: the row whose scans, trivial maps and exact change are shown: the reference, else the first that is done.

    Raises:
        ValueError: When two rows have one title.
    """

    def __init__(self, methods: Mapping[str, Mapping[str, Any]], runs: Sequence[Run], reference: str) -> None:
        self.runs = runs
        places = [(title, name, place) for name, method in methods.items() for title, place in method.get("rows", {}).items()]
        learned = [row for title, method, place in places for row in self._expand(title, method, place)]
        self.reference = next(row for row in learned if row.title == reference)
        self.shown = next((row for row in (self.reference, *learned) if self.find(row)), self.reference)
        untrained = [(name, TRIVIAL) for name in TRIVIAL_METHODS] + [(ORACLES[0], EXACT)]
        _, method, measure, *_ = self.shown
        self.rows = learned + [Row(in_words(name), method, measure, name, family) for name, family in untrained]
        titles = [row.title for row in self.rows]
        doubled = {title for title in titles if titles.count(title) > 1}
        if doubled:
            raise ValueError(f"two rows have the title {doubled.pop()}")

    def find(self, row: Row) -> list[tuple[int, Path]]:
        """Return seed and folder of the tables of each run in which the measure of a row is done."""
        steps = [(run.seed, step) for run in self.runs if run.method == row.method for step in run.steps[1:]]
        return [(seed, step.find_results()[0].parent) for seed, step in steps if step.name == row.measure and step.read_record()]

    def read_scores(self) -> pd.DataFrame:
        """Return the scores of all rows in all runs that are done, one line a row, seed, scan, direction and protocol.

        Columns are `row`, `family`, `seed` and those of `scans.csv`; the table is empty when nothing is done.
        """
        parts = []
        for place in dict.fromkeys((row.method, row.measure) for row in self.rows):
            rows = [row for row in self.rows if (row.method, row.measure) == place]
            for seed, folder in self.find(rows[0]):
                table = _read(folder / "scans.csv")
                for row in rows:
                    scores = table[table["method"] == row.name]
                    parts.append(scores.assign(row=row.title, family=row.family, seed=seed))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def read_figures(self) -> pd.DataFrame:
        """Return the figures of all measures of all runs that are done, means of scores over scans among them.

        Columns are `method`, `measure`, `seed` and those of `metrics.csv`, in which the method's name is `name`.
        """
        parts = []
        for run in self.runs:
            for step in run.steps[1:]:
                if step.read_record():
                    table = _read(step.find_results()[0]).rename(columns={"method": "name"})
                    parts.append(table.assign(method=run.method, measure=step.name, seed=run.seed))
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def read_maps(self, row: Row) -> dict[str, Tensor]:
        """Return the scans, truths and maps that the first run of a row has kept, by a name such as `seen/3>0/map`.

        With them are, where they are known, `affine`, voxel to world in mm, and `unit`, a scanner unit in the intensities of the
        network.
        """
        kept: dict[str, Tensor] = {}
        names = {row.name: "map"} | {name: name for name in ("scan", "truth", "affine", "unit")}
        for _, folder in self.find(row)[:1]:
            with np.load(folder / "maps.npz") as images:  # which reads single images
                for key in images.files:
                    place, _, name = key.rpartition("/")
                    if name in names:
                        kept[f"{place}/{names[name]}"] = torch.from_numpy(images[key].astype(np.float32))
        return kept

    def _expand(self, title: str, method: str, place: str) -> list[Row]:
        """Return the rows of an entry."""
        measure, _, name = place.partition("/")
        row = Row(title, method, measure, name)
        if name != ALL:
            return [row]
        names = [name for _, folder in self.find(row)[:1] for name in _read(folder / "scans.csv")["method"].unique()]
        names = [name for name in names if name not in (*TRIVIAL_METHODS, *ORACLES) and not name.endswith(AGAINST_CHANGE)]
        return [row._replace(title=title.format(in_words(name)), name=name) for name in names]


def _read(path: Path) -> pd.DataFrame:
    """Return a table; without rows where no map could be scored."""
    try:
        return pd.read_csv(path).fillna({"protocol": "", "direction": ""})
    except pd.errors.EmptyDataError:
        return pd.DataFrame({"method": []})
