"""The scans of a group: rows of one or more inferences, with what a table of participants says about each."""

import ast
import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bundle.data.formats import strip_suffix
from bundle.data.participants import name_person
from bundle.data.tables import read_table, show_columns
from bundle.files import locate
from bundle.inference.predictions import RECORD, TABLE
from bundle.inference.results import Results, Row
from bundle.records import read_record

IDENTIFIERS = (
    "name",
    "scan",
    "image",
    "participant_id",
)  # columns of a table by which a row finds its scan, the first that it has
FREE = ("seed",)  # settings of an inference that may differ between folders

logger = logging.getLogger(__name__)


class ExplainedScan(NamedTuple):
    """A scan with its maps.

    Attributes:
        results: folder of the inference.
        row: its row of `predictions.csv`.
        facts: what its row of the table of participants says, and that of `predictions.csv` where the table has no such column.
    """

    results: Results
    row: Row
    facts: dict[str, str]

    @property
    def direction(self) -> tuple[int, int]:
        """Predicted class, and class that the scan is translated to."""
        return int(self.row["predicted_class"]), int(self.row["target_class"])

    @property
    def person(self) -> str:
        """Participant, by the table or by `sub-` in the scan's name; the scan itself where neither says it."""
        named = self.facts.get("participant_id") or find_participant(self.row["name"])
        return name_person(named) if named else self.row["scan"]


class Cohort:
    """The scans that one or more inferences have explained.

    Args:
        results_dir: folder of an inference, or several; in place of one also a folder with several below it.
        participants: table with a row a scan or participant, ending in `.tsv` or `.csv`; None for none.
    """

    def __init__(self, results_dir: str | Path | Sequence[str | Path], participants: str | Path | None = None) -> None:
        self.folders = split_folders(results_dir)
        self.participants = participants

    def read(self) -> list[ExplainedScan]:
        """Return the scans that are done, in the order of their tables.

        Raises:
            FileNotFoundError: When there is no such table or folder.
            ValueError: When a folder holds no results, or results of other settings than the first; when a scan is there twice;
                when the table fits no scan, or not one row to each.
        """
        folders = [folder for given in self.folders for folder in find_results(given)]
        check_alike(folders)
        rows = [(folder, row) for folder in folders for row in Results(folder).read_rows()]
        names = name_classes([row for _, row in rows])
        done = [(folder, row) for folder, row in rows if row["status"] == "done"]
        if len(done) < len(rows):
            logger.warning("%d of %d scans failed in the inference, and are not in the group", len(rows) - len(done), len(rows))
        if twice := [scan for scan, count in Counter(row["scan"] for _, row in done).items() if count > 1]:
            raise ValueError(f"{twice[0]} is in the results twice: accepted is each scan once")
        results = {folder: Results(folder, names) for folder in folders}
        scans = [ExplainedScan(results[folder], row, _drop_missing(row)) for folder, row in done]
        return join_table(scans, self.participants) if self.participants else scans


def split_folders(results_dir: str | Path | Sequence[str | Path]) -> list[str | Path]:
    """Return the folders that a key names: on the command line the value of a path stays a text, a list of folders too."""
    if not isinstance(results_dir, str | Path):
        return list(results_dir)
    if str(results_dir).startswith("[") and not Path(results_dir).exists():
        try:
            return [str(name) for name in ast.literal_eval(str(results_dir))]
        except (SyntaxError, ValueError) as error:
            raise ValueError(
                f"results_dir is no list of folders, got {results_dir}: accepted is ['output/a', 'output/b']"
            ) from error
    return [results_dir]


def find_results(folder: str | Path) -> list[Path]:
    """Return the folders of inferences at or below a folder: those with a table and its settings.

    Raises:
        FileNotFoundError: When there is no such folder.
        ValueError: When it holds none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"results_dir {folder} does not exist: accepted are folders that an inference has written")
    if (folder / TABLE).is_file() and (folder / RECORD).is_file():
        return [folder]
    if found := sorted(path.parent for path in folder.rglob(TABLE) if (path.parent / RECORD).is_file()):
        return found
    raise ValueError(f"results_dir {folder} has no {TABLE} with {RECORD}: accepted are folders that an inference has written")


def check_alike(folders: Sequence[Path]) -> None:
    """Refuse folders whose maps cannot be put together.

    Raises:
        ValueError: When their settings differ, or maps lie on whole heads.
    """
    records = {folder: read_record(folder / RECORD, None) or {} for folder in folders}
    first = records[folders[0]]
    for folder, record in records.items():
        if record.get("prepare"):
            raise ValueError(
                f"{folder} holds maps on whole heads, which are not in one space: explain the prepared scans, in its folder"
                " prepared, and give the results of these"
            )
        keys = [key for key in {**first, **record} if key not in FREE and first.get(key) != record.get(key)]
        if keys:
            raise ValueError(
                f"{folder} and {folders[0]} are of runs with other {', '.join(keys)}: accepted are results of one run"
            )


def name_classes(rows: Sequence[Row]) -> list[str]:
    """Return the names of the classes as far as the rows have them, "class 1" for others; nothing where none has one."""
    named = {int(row["predicted_class"]): row["predicted_name"] for row in rows if row.get("predicted_name")}
    labels = range(max((sum(key.startswith("probability_") for key in row) for row in rows), default=0))
    return [named.get(label, f"class {label}") for label in labels] if named else []


def find_participant(name: str) -> str:
    """Return the label after `sub-` in the name of a scan, empty where there is none."""
    found = re.search(r"(?:^|[/_])sub-([^/_]+)", name)
    return found[1] if found else ""


def join_table(scans: Sequence[ExplainedScan], path: str | Path) -> list[ExplainedScan]:
    """Give scans their rows of a table of participants; scans without one are left out, and named in a warning.

    Args:
        scans: the scans.
        path: table with one of the columns `IDENTIFIERS`.

    Raises:
        FileNotFoundError: When there is no such table.
        ValueError: When it has none of these columns, fits no scan, or has several rows for one.
    """
    table, path = read_table(path), Path(path)
    column = next((name for name in IDENTIFIERS if name in table), None)
    if column is None:
        raise ValueError(
            f"{path} has the columns {show_columns(list(table))}: one of {', '.join(IDENTIFIERS)} must name the scan"
        )
    name_row, name_scan = _name_by(column, path.absolute().parent)
    rows: dict[str, list[dict[str, Any]]] = {}
    for record in table.dropna(subset=[column]).to_dict("records"):
        rows.setdefault(name_row(record[column]), []).append(record)
    joined: list[ExplainedScan] = []
    for scan in scans:
        found = rows.get(name_scan(scan.row), [])
        if len(found) > 1:
            raise ValueError(
                f"{path} has {len(found)} rows with the {column} of {scan.row['name']}: accepted is one; a column name or image"
                " names scans one by one"
            )
        if found:
            joined.append(scan._replace(facts={**scan.facts, **_drop_missing(found[0])}))
    if not joined:
        example = table[column].dropna().iloc[0] if table[column].notna().any() else "n/a"
        raise ValueError(
            f"{path} fits no scan by its column {column}, such as {example}: the first scan is {scans[0].row['name']}"
        )
    if left := [scan.row["name"] for scan in scans if scan.row["scan"] not in {other.row["scan"] for other in joined}]:
        logger.warning("%d of %d scans have no row in %s and are left out, the first is %s", len(left), len(scans), path, left[0])
    return joined


def _name_by(column: str, folder: Path) -> tuple[Callable[[str], str], Callable[[Mapping[str, str]], str]]:
    """Return what makes comparable names of a cell of the table, and of a row of the results."""
    if column == "participant_id":
        return name_person, lambda row: find_participant(row["name"]) or name_person(row["name"])
    if column == "name":
        return strip_suffix, lambda row: row["name"]
    return lambda cell: str(locate(folder / Path(cell).expanduser())), lambda row: str(locate(row["scan"]))


def _drop_missing(row: Mapping[str, Any]) -> dict[str, str]:
    """Return what a row says."""
    return {key: str(value) for key, value in row.items() if value is not None and not pd.isna(value) and value != ""}
