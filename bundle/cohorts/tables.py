"""The tables that come with cohorts: TSV and CSV files with columns of many names."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bundle.cohorts.exclusions import Omissions

SEPARATORS = {".tsv": "\t", ".csv": ",", ".txt": "\t"}
MISSING = ("", "n/a", "N/A", "NA", "nan", "NaN", "None", "null")
SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}


def read_header(path: str | Path) -> list[str]:
    """Read the names of a table's columns.

    Args:
        path: Its file, `.tsv` or `.csv`.

    Returns:
        The names.

    Raises:
        FileNotFoundError: When the file is absent.
        ValueError: When it is no table.
    """
    return [str(name) for name in _read(Path(path), nrows=0).columns]


def read_columns(path: str | Path, columns: Mapping[str, Sequence[str]], required: Collection[str]) -> pd.DataFrame:
    """Read some columns of a table as text, under names of our own.

    Args:
        path: File, `.tsv` or `.csv`.
        columns: For each of our names the names that the file may use; the first that it has is taken.
        required: Those of our names that the file must have.

    Returns:
        The columns that are there; missing values are NaN.

    Raises:
        FileNotFoundError: When the file is absent.
        ValueError: When it is no table, has no row or lacks a required column.
    """
    known = {alias for aliases in columns.values() for alias in aliases}
    table = _read(Path(path), usecols=lambda name: name in known)
    found = {name: next((alias for alias in aliases if alias in table), None) for name, aliases in columns.items()}
    if absent := [name for name in columns if name in required and found[name] is None]:
        accepted = " or ".join(columns[absent[0]])
        raise ValueError(f"{path} lacks the column {accepted} ({absent[0]}): its columns are {_shorten(read_header(path))}")
    if table.empty:
        raise ValueError(f"{path} has no rows: accepted are a header and one row a scan or participant")
    table = pd.DataFrame({name: table[alias].str.strip() for name, alias in found.items() if alias is not None})
    return table.mask(table.isin(MISSING))


def merge_repeats(table: pd.DataFrame, keys: Sequence[str], path: str | Path, omissions: Omissions) -> pd.DataFrame:
    """Merge rows that say the same twice, and refuse rows that contradict each other.

    Args:
        table: Its rows.
        keys: Columns that name a row.
        path: Its file, for the message.
        omissions: Notes the merged rows.

    Returns:
        One row for each value of the keys.

    Raises:
        ValueError: When two rows with the same keys differ.
    """
    table = omissions.drop(table, table.duplicated(), "repeated row, merged")
    again = table[table.duplicated(list(keys), keep=False)]
    if len(again):
        _, rows = next(iter(again.groupby(list(keys), dropna=False)))
        differing = next(name for name in table if rows[name].nunique(dropna=False) > 1)
        name = " ".join(str(rows[key].iloc[0]) for key in keys)
        raise ValueError(f"{path} has rows for {name} that differ in {differing}: accepted is one row, or equal ones")
    return table


def read_numbers(table: pd.DataFrame, column: str, path: str | Path) -> pd.Series:
    """Return a column of a table as numbers.

    Args:
        table: Its rows, with `participant_id`.
        column: Name of the column.
        path: File, for the message.

    Returns:
        The numbers; missing ones are NaN.

    Raises:
        ValueError: When a value is no number.
    """
    numbers = pd.to_numeric(table[column], errors="coerce")
    wrong = table[numbers.isna() & table[column].notna()]
    if len(wrong):
        row = wrong.iloc[0]
        raise ValueError(f"{path} gives {row['participant_id']} the {column} {row[column]!r}: accepted are numbers")
    return numbers.astype(float)


def read_sexes(column: pd.Series, codes: Mapping[str, str] = SEXES) -> pd.Series:
    """Return a column of sexes as "M" and "F"; values that are no code are NaN.

    Args:
        column: Text.
        codes: What the column writes, in lower case, to "M" and "F".
    """
    return column.str.lower().map(codes)


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


def _shorten(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
