"""The tables that come with cohorts: columns under names of our own, merged and joined."""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from bundle.cohorts.exclusions import Exclusions
from bundle.data.manifest import read_values
from bundle.data.participants import name_person
from bundle.data.tables import read_header, read_table, show_columns
from bundle.files import locate

SEXES = {"m": "M", "male": "M", "f": "F", "female": "F"}

logger = logging.getLogger(__name__)


def read_columns(path: str | Path, columns: Mapping[str, Sequence[str]], required: Collection[str]) -> pd.DataFrame:
    """Read some columns of a table as text, under names of our own, as `bundle.data.tables.read_table` does.

    Args:
        path: File of the table.
        columns: For each of our names the names that the file may use; the first that it has is taken.
        required: Those of our names that the file must have.

    Raises:
        FileNotFoundError: When the file is absent.
        ValueError: When it is no table, has no row or lacks a required column.
    """
    table = read_table(path, columns, others=False)
    if absent := [name for name in columns if name in required and name not in table]:
        shown = show_columns(read_header(path))
        raise ValueError(f"{path} lacks the column {' or '.join(columns[absent[0]])} ({absent[0]}): its columns are {shown}")
    return table


def merge_repeats(table: pd.DataFrame, keys: Sequence[str], path: str | Path, exclusions: Exclusions) -> pd.DataFrame:
    """Merge equal rows, and refuse rows of the same keys, read from `path`, that contradict each other: a `ValueError`.

    The participants sub-01 and 01 are the same.
    """
    same = table.assign(participant_id=table["participant_id"].map(name_person, na_action="ignore"))
    repeated = same.duplicated()
    table, same = exclusions.drop(table, repeated, "repeated row, merged"), same[~repeated].reset_index(drop=True)
    again = same[same.duplicated(list(keys), keep=False)]
    if len(again):
        _, rows = next(iter(again.groupby(list(keys), dropna=False)))
        differing = next(name for name in same if rows[name].nunique(dropna=False) > 1)
        rows = table.loc[rows.index]
        name = " ".join(str(rows[key].iloc[0]) for key in keys)
        raise ValueError(f"{path} has rows for {name} that differ in {differing}: accepted is one row, or equal ones")
    return table


def read_sexes(column: pd.Series, path: str | Path, codes: Mapping[str, str] = SEXES) -> pd.Series:
    """Return a column of sexes, read from `path`, as "M" and "F", by codes in lower case; others count as missing: a warning."""
    sexes = column.astype("string").str.lower().map(codes).astype(object)
    unknown = column[sexes.isna() & column.notna()]
    if len(unknown):
        logger.warning("%s has %d values of sex that count as missing (first: %r): accepted are %s", path, len(unknown),
                       unknown.iloc[0], ", ".join(codes))  # fmt: skip
    return sexes


def tidy_columns(table: pd.DataFrame, path: str | Path, strict: bool = True) -> pd.DataFrame:
    """Return a table of text, read from `path`, with ages in numbers, absolute paths and sexes "M" and "F".

    An age that cannot be read is a `ValueError` with `strict`, else missing, with a warning; so is another sex.
    """
    table = read_values(table, locate(path), strict)
    return table.assign(sex=read_sexes(table["sex"], path)) if "sex" in table else table


def join_table(
    scans: pd.DataFrame, table: pd.DataFrame, keys: Sequence[str], exclusions: Exclusions, thing: str = "scan"
) -> pd.DataFrame:
    """Join scans and the rows of a table that have the same keys; note scans without a row, and rows without a scan.

    The participants sub-01 and 01 are the same; the name is that of the scans. Columns of the table keep their names, those of
    scans of the same name end in `_found`. `thing` is what a row without a scan lacks.
    """
    found, listed = (rows.assign(person=rows["participant_id"].map(name_person, na_action="ignore")) for rows in (scans, table))
    others = [key for key in keys if key != "participant_id"]
    joined = found.merge(listed, on=["person", *others], how="outer", suffixes=("_found", ""), indicator="found")
    names = joined.pop("participant_id_found")
    joined = joined.assign(participant_id=names.fillna(joined["participant_id"])).drop(columns="person")
    joined = exclusions.drop(joined, joined["found"] == "right_only", f"in the table, without a {thing}")
    return exclusions.drop(joined, joined["found"] == "left_only", "scan without a row in the table").drop(columns="found")
