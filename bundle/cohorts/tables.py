"""The tables that come with cohorts: TSV and CSV files with columns of many names."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bundle.cohorts.exclusions import Exclusions
from bundle.data.manifest import read_values

SEPARATORS = {".tsv": "\t", ".csv": ",", ".txt": "\t"}
MISSING = ("", "n/a", "N/A", "NA", "nan", "NaN", "None", "null")
SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}


def read_header(path: str | Path) -> list[str]:
    """Read the names of a table's columns."""
    return [str(name) for name in _read(Path(path), nrows=0).columns]


def read_columns(path: str | Path, columns: Mapping[str, Sequence[str]], required: Collection[str]) -> pd.DataFrame:
    """Read some columns of a table as text, under names of our own; missing values are NaN.

    Args:
        path: File, `.tsv` or `.csv`.
        columns: For each of our names the names that the file may use; the first that it has is taken.
        required: Those of our names that the file must have.

    Raises:
        FileNotFoundError: When the file is absent.
        ValueError: When it is no table, has no row or lacks a required column.
    """
    known = {alias for aliases in columns.values() for alias in aliases}
    table = _read(Path(path), usecols=lambda name: name in known)
    found = {name: next((alias for alias in aliases if alias in table), None) for name, aliases in columns.items()}
    if absent := [name for name in columns if name in required and found[name] is None]:
        accepted = " or ".join(columns[absent[0]])
        header = read_header(path)
        shown = ", ".join(header[:12]) + (f" and {len(header) - 12} more" if len(header) > 12 else "")
        raise ValueError(f"{path} lacks the column {accepted} ({absent[0]}): its columns are {shown}")
    if table.empty:
        raise ValueError(f"{path} has no rows: accepted are a header and one row a scan or participant")
    table = pd.DataFrame({name: table[alias].str.strip() for name, alias in found.items() if alias is not None})
    return table.mask(table.isin(MISSING))


def merge_repeats(table: pd.DataFrame, keys: Sequence[str], path: str | Path, exclusions: Exclusions) -> pd.DataFrame:
    """Merge equal rows, and refuse rows of the same keys, read from `path`, that contradict each other: a `ValueError`."""
    table = exclusions.drop(table, table.duplicated(), "repeated row, merged")
    again = table[table.duplicated(list(keys), keep=False)]
    if len(again):
        _, rows = next(iter(again.groupby(list(keys), dropna=False)))
        differing = next(name for name in table if rows[name].nunique(dropna=False) > 1)
        name = " ".join(str(rows[key].iloc[0]) for key in keys)
        raise ValueError(f"{path} has rows for {name} that differ in {differing}: accepted is one row, or equal ones")
    return table


def read_sexes(column: pd.Series, codes: Mapping[str, str] = SEXES) -> pd.Series:
    """Return a column of sexes as "M" and "F", by codes in lower case; values that are no code are NaN."""
    return column.str.lower().map(codes)


def tidy_columns(table: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """Return a table of text, read from `path`, with ages in numbers, absolute paths and sexes "M" and "F", others NaN."""
    table = read_values(table, Path(path).resolve())
    return table.assign(sex=read_sexes(table["sex"])) if "sex" in table else table


def join_table(
    scans: pd.DataFrame, table: pd.DataFrame, keys: Sequence[str], exclusions: Exclusions, thing: str = "scan"
) -> pd.DataFrame:
    """Join scans and the rows of a table that have the same keys; note scans without a row, and rows without a scan.

    Columns of the table keep their names, those of scans of the same name end in `_found`. `thing` is what a row without a scan
    lacks.
    """
    joined = scans.merge(table, on=list(keys), how="outer", suffixes=("_found", ""), indicator="found")
    joined = exclusions.drop(joined, joined["found"] == "right_only", f"in the table, without a {thing}")
    return exclusions.drop(joined, joined["found"] == "left_only", "scan without a row in the table").drop(columns="found")


def _read(path: Path, **options: Any) -> pd.DataFrame:
    """Read a table as text."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: give a table ending in {' or '.join(SEPARATORS)}")
    if path.suffix.lower() not in SEPARATORS:
        raise ValueError(f"{path} is no table: accepted are files ending in {' or '.join(SEPARATORS)}")
    try:
        separator = SEPARATORS[path.suffix.lower()]
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig", **options)
    except (ValueError, OSError) as error:  # pandas' ParserError and EmptyDataError are ValueErrors
        raise ValueError(f"{path} is no table with the separator {separator!r} ({error})") from error
