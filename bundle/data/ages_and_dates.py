"""Ages and dates in columns of text, as people write them: `61,5`, `89+`, US and German days."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

OLDEST = 130.0  # years
BOUND = re.compile(r"(?:>=?|≥)\s*(\d+(?:[.,]\d+)?)|(\d+(?:[.,]\d+)?)\s*\+")  # an age that hides a higher one: >89, 89+
DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%d.%m.%Y", "%d.%m.%y", "%d-%b-%Y",
         "%d-%b-%y", "%m-%d-%Y", "%d-%m-%Y")  # fmt: skip
TIME = re.compile(r"[T ]\d{1,2}:\d{2}.*$")  # what may follow a date

logger = logging.getLogger(__name__)


def read_ages(table: pd.DataFrame, column: str, path: str | Path, strict: bool = True) -> pd.Series:
    """Return a column of text as ages in years.

    A decimal comma is accepted. Where ages above a bound are hidden, as in "89+" and ">89", the bound counts, with a warning.

    Args:
        table: Rows with `participant_id`.
        column: Name of the column.
        path: Their file, for messages.
        strict: Whether an age that cannot be read is refused; else it counts as missing, with a warning.

    Returns:
        The ages; missing ones are NaN.

    Raises:
        ValueError: When one cannot be read, with `strict`.
    """
    text = table[column].astype("string").str.strip()
    bounds = text.str.extract(f"^(?:{BOUND.pattern})$")
    bound = bounds[0].fillna(bounds[1])
    points = bound.fillna(text).str.replace(r"^([+-]?\d+),(\d+)$", r"\1.\2", regex=True)
    numbers = pd.to_numeric(points, errors="coerce").astype(float)
    numbers = numbers.where(numbers.between(0, OLDEST))
    if bound.notna().any():
        first = table.loc[bound.notna()].iloc[0]
        logger.warning("%s hides %d values of %s (first: %s of %s): the bound counts", path, bound.notna().sum(), column,
                       first[column], first["participant_id"])  # fmt: skip
    wrong = table[numbers.isna() & text.notna()]
    if len(wrong):
        row, accepted = wrong.iloc[0], f"accepted are numbers from 0 to {OLDEST:g}, in years"
        if strict:
            raise ValueError(f"{path} gives {row['participant_id']} the {column} {row[column]!r}: {accepted}")
        logger.warning("%s has %d values of %s that count as missing (first: %r of %s): %s", path, len(wrong), column,
                       row[column], row["participant_id"], accepted)  # fmt: skip
    return numbers


def read_dates(table: pd.DataFrame, columns: Sequence[str], path: str | Path) -> pd.DataFrame:
    """Return columns of text as dates, in the one format that fits all of their values.

    Args:
        table: Rows with `participant_id`.
        columns: Names of the columns, which have the same format.
        path: Their file, for messages.

    Returns:
        The dates; missing ones are NaT.

    Raises:
        ValueError: When a value is no date, or day and month cannot be told apart.
    """
    text = pd.concat([table[name].astype("string").str.replace(TIME, "", regex=True).str.strip() for name in columns])
    distinct = text.dropna().drop_duplicates()
    every = [pd.to_datetime(distinct, format=form, errors="coerce") for form in DATES]
    readings = [dates for dates in every if dates.notna().all()]
    if len(distinct) and not readings:
        best = max(every, key=lambda dates: dates.notna().sum())
        _refuse_date(table, columns, distinct[best.isna()].iloc[0], path, "it is none, or of another format than the others")
    for other in readings[1:]:
        if not other.equals(readings[0]):
            value = distinct[other != readings[0]].iloc[0]
            _refuse_date(table, columns, value, path, "day and month cannot be told apart, as no day is above 12")
    known = dict(zip(distinct, readings[0], strict=True)) if readings else {}
    dates = [table[name].astype("string").str.replace(TIME, "", regex=True).str.strip().map(known) for name in columns]
    return pd.DataFrame({name: pd.to_datetime(column) for name, column in zip(columns, dates, strict=True)}, index=table.index)


def _refuse_date(table: pd.DataFrame, columns: Sequence[str], value: str, path: str | Path, reason: str) -> None:
    """Raise a `ValueError` that names the first row with a value."""
    for column in columns:
        where = table[column].astype("string").str.contains(value, regex=False).fillna(False).astype(bool)
        if where.any():
            row = table[where].iloc[0]
            raise ValueError(
                f"{path} gives {row['participant_id']} the {column} {row[column]!r}: {reason}; write it as 2010-06-09"
            )
