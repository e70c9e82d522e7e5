"""The rows of the comparison, and the scores of their maps in every run."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bundle.benchmark.checks import ALL
from bundle.benchmark.plan import Run, read_record
from bundle.evaluation.names import AGAINST_CHANGE, ORACLES, TRIVIAL_METHODS

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


def list_rows(methods: Mapping[str, Mapping[str, Any]], runs: Sequence[Run], rival: str) -> list[Row]:
    """List the rows of all methods, and after them those that take no training.

    Args:
        methods: by name `rows`: titles, each with `MEASURE/NAME`; where NAME is `*`, there is a row for each method that was
            measured, and `{}` in the title is its name.
        runs: all runs.
        rival: title of the row from whose tables the trivial maps and the exact change are taken, if it is done.

    Raises:
        ValueError: When two rows have one title.
    """
    rows = [
        row for method, entry in methods.items() for title, place in entry.get("rows", {}).items()
        for row in _expand(title, method, place, runs)
    ]  # fmt: skip
    beside = find_reference(rows, runs, rival)
    rows += [Row(name.replace("_", " "), beside.method, beside.measure, name, TRIVIAL) for name in TRIVIAL_METHODS]
    rows += [Row(name.replace("_", " "), beside.method, beside.measure, name, EXACT) for name in ORACLES[:1]]
    titles = [row.title for row in rows]
    doubled = {title for title in titles if titles.count(title) > 1}
    if doubled:
        raise ValueError(f"two rows have the title {doubled.pop()}")
    return rows


def find_reference(rows: Sequence[Row], runs: Sequence[Run], rival: str) -> Row:
    """Return the row from whose runs is taken what all have: the rival, or when it is not done the first one that is.

    Args:
        rows: rows of the methods.
        runs: all runs.
        rival: title of the rival.
    """
    first = next(row for row in rows if row.title == rival)
    return next((row for row in (first, *rows) if any(list_results(runs, row.method, row.measure))), first)


def read_scores(rows: Sequence[Row], runs: Sequence[Run]) -> pd.DataFrame:
    """Return the scores of all rows in all runs that are done, one line a row, seed, scan, direction and protocol.

    Args:
        rows: rows of the comparison.
        runs: all runs.

    Returns:
        Columns `row`, `family`, `seed` and those of `scans.csv`; empty when nothing is done.
    """
    parts = []
    for (method, measure), run, table in read_scans(rows, runs):
        for row in rows:
            if (row.method, row.measure) == (method, measure):
                scores = table[table["method"] == row.name]
                parts.append(scores.assign(row=row.title, family=row.family, seed=run.seed))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def read_figures(runs: Sequence[Run]) -> pd.DataFrame:
    """Return the figures of all measures of all runs that are done, means of scores over scans among them.

    Args:
        runs: all runs.

    Returns:
        Columns `method`, `measure`, `seed` and those of `metrics.csv`, in which the method's name is `name`.
    """
    parts = []
    for run in runs:
        for stage in run.stages[1:]:
            folder = find_results(run, stage.name)
            if folder is not None:
                table = _read(folder / "metrics.csv").rename(columns={"method": "name"})
                parts.append(table.assign(method=run.method, measure=stage.name, seed=run.seed))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def read_scans(rows: Sequence[Row], runs: Sequence[Run]) -> Iterator[tuple[tuple[str, str], Run, pd.DataFrame]]:
    """Yield `scans.csv` of every measure that a row needs: method and measure, run, and contents.

    Args:
        rows: rows of the comparison.
        runs: all runs; those that are not done are left out.
    """
    for method, measure in dict.fromkeys((row.method, row.measure) for row in rows):
        for run, folder in list_results(runs, method, measure):
            yield (method, measure), run, _read(folder / "scans.csv")


def list_results(runs: Sequence[Run], method: str, measure: str) -> Iterator[tuple[Run, Path]]:
    """Yield the runs of a method of which something was measured, with the folder of its tables.

    Args:
        runs: all runs.
        method: name of the method.
        measure: what was measured.
    """
    for run in runs:
        folder = find_results(run, measure) if run.method == method else None
        if folder is not None:
            yield run, folder


def find_results(run: Run, measure: str) -> Path | None:
    """Return the folder with the tables of what was measured of a run; None when it is not done.

    Args:
        run: the run.
        measure: what was measured.
    """
    stage = next((stage for stage in run.stages if stage.name == measure and read_record(stage) is not None), None)
    found = None if stage is None else stage.find_table()
    return None if found is None else found.parent


def _read(path: Path) -> pd.DataFrame:
    """Return a table; without rows where no map could be scored."""
    try:
        return pd.read_csv(path).fillna({"protocol": "", "direction": ""})
    except pd.errors.EmptyDataError:
        return pd.DataFrame({"method": []})


def _expand(title: str, method: str, place: str, runs: Sequence[Run]) -> Iterator[Row]:
    """Yield the rows of an entry."""
    measure, _, name = place.partition("/")
    if name != ALL:
        yield Row(title, method, measure, name)
        return
    for _, folder in islice(list_results(runs, method, measure), 1):
        for found in _read(folder / "scans.csv")["method"].unique():
            if found not in (*TRIVIAL_METHODS, *ORACLES) and not found.endswith(AGAINST_CHANGE):
                yield Row(title.format(found.replace("_", " ")), method, measure, found)
