"""The one reader of tables, as people have them: of any usual encoding, separator and word for a missing value."""

import codecs
import csv
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from bundle.files import TABLE_SUFFIXES

MISSING = ("", "n/a", "na", "n.a.", "nan", "null", "-", "--", ".", "<na>", "#n/a", "#na", "#null!", "#value!", "#div/0!",
           "#ref!", "#name?", "#num!")  # in any case; of R, Excel, SAS, pandas and BIDS  # fmt: skip
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
ENCODINGS = ("utf-8", "cp1252", "latin-1")  # of tables without a mark, the first that fits
SEPARATORS = ("\t", ";", ",")
SHEETS = (".xlsx", ".xls", ".ods", ".numbers")  # endings of spreadsheets, which are not read
MAX_CELL = 10_000_000  # letters; more is a quotation mark that is not closed. Python's own limit is 131,072

logger = logging.getLogger(__name__)


def read_table(path: str | Path, names: Mapping[str, Sequence[str]] | None = None, others: bool = True) -> pd.DataFrame:
    """Read a table as text: header and rows, separated by tabs, semicolons or commas.

    The separator is read off the header. Tables are UTF-8, or UTF-16 with its mark; others are read as Latin-1 with a warning.
    Blanks around cells are taken off, empty rows and columns left out.

    Args:
        path: File ending in `.tsv`, `.csv`, `.txt` or `.tab`.
        names: Names of our own, for each the names that the table may use in its place; the first that it has is taken, in
            whatever case, and with blanks for underscores, where that is unambiguous.
        others: Whether further columns are kept.

    Returns:
        The table; missing values are NaN.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no such table, a row has more cells than the header, or there is no row.
    """
    ((_, header),) = _read(path, rows=False)
    found = {name: find_name(header, aliases, path) for name, aliases in (names or {}).items()}
    pairs = [(name, column) for name, column in found.items() if column is not None]
    if others:  # at their places
        ours = {column: name for name, column in pairs}
        pairs = [(ours.get(column, column), column) for column in header if column]
    for column in dict.fromkeys(column for _, column in pairs if header.count(column) > 1):
        logger.warning("%s has %d columns called %s: none of them is used", path, header.count(column), column)
    pairs = [(name, column) for name, column in pairs if header.count(column) == 1]
    _, *rows = _read(path, [header.index(column) for _, column in pairs])
    if not rows:
        raise ValueError(f"{path} has no rows: accepted are a header and one row a scan or participant")
    columns = {name: [cells[i] for _, cells in rows] for i, (name, _) in enumerate(pairs)}
    return pd.DataFrame(columns, index=range(len(rows)), dtype=str)


def read_header(path: str | Path) -> list[str]:
    """Read the names of a table's columns."""
    ((_, header),) = _read(path, rows=False)
    return [name for name in header if name]


def find_name(header: Sequence[str], aliases: Sequence[str], path: str | Path | None = None) -> str | None:
    """Return the first of several names that a header has.

    Args:
        header: Names of a table's columns.
        aliases: Names that are looked for: as they are written, then in any case and with blanks for underscores.
        path: File of the table, for a warning where several columns fit a name; None for no warning.
    """
    for alias in aliases:
        if alias in header:
            return alias
    for alias in aliases:
        found = list(dict.fromkeys(name for name in header if _fold(name) == _fold(alias)))
        if len(found) == 1:
            return found[0]
        if found and path is not None:
            logger.warning("%s has the columns %s: none of them is taken for %s", path, " and ".join(found), alias)
    return None


def find_line(path: str | Path, position: int) -> int:
    """Return the line, from 1, in which a row of a table ends; `position` is its index in what `read_table` returns."""
    return _read(path, [])[1 + position][0]


def show_columns(names: Sequence[str]) -> str:
    """Return the names of a table's columns for a message, at most twelve."""
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def show_values(values: pd.Series) -> str:
    """Return the values of a column for a message, at most twelve, with how often each occurs, the most frequent first."""
    counts = sorted(values.value_counts().items(), key=lambda item: (-item[1], str(item[0])))
    return show_columns([f"{value} ({count})" for value, count in counts])


def show_sheets(folder: Path, stem: str | None = None) -> str:
    """Return the end of a sentence on a table that is not there, which names the spreadsheets in its folder; empty without any.

    Args:
        folder: Where they lie.
        stem: Name without ending, in any case; None for all.
    """
    with suppress(OSError):
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SHEETS and path.name[0].isalnum())
        if names := [path.name for path in found if stem in (None, path.stem.lower())]:
            return f"; to use {' or '.join(names)}, save it as .tsv or .csv"
    return ""


def _fold(name: str) -> str:
    return re.sub(r"[\s_]+", "_", name.strip()).casefold()


def _read(path: str | Path, kept: Sequence[int] = (), rows: bool = True) -> list[tuple[int, list]]:
    """Read the lines of a table that are not empty: number, and cells of some columns; of the header all.

    Args:
        path: Its file.
        kept: Positions of the columns.
        rows: Whether more than the header is read.
    """
    path = Path(path)
    if not path.is_file():
        dead = "is a link to a file that is not there" if path.is_symlink() else "does not exist"
        raise FileNotFoundError(f"{path} {dead}: give a table ending in {', '.join(TABLE_SUFFIXES)}{show_sheets(path.parent)}")
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise ValueError(f"{path} is no table: accepted are files ending in {', '.join(TABLE_SUFFIXES)}")
    with path.open("rb") as file:
        start = file.read(4)
    marked = [encoding for mark, encoding in MARKS if start.startswith(mark)]
    for encoding in marked or ENCODINGS:
        try:
            with path.open(encoding=encoding, newline="") as file:
                found = list(_parse(_check_lines(file), path, kept, rows))
        except UnicodeError:
            continue
        except csv.Error as error:
            raise ValueError(f"{path} is no table ({error}): accepted are files of text, such as CSV in UTF-8") from error
        if not found:
            raise ValueError(f"{path} is empty: accepted are a header and one row a scan or participant")
        if rows and not marked and encoding != ENCODINGS[0]:
            logger.warning("%s is not UTF-8 and read as %s: look at letters such as ä, or save it as UTF-8", path, encoding)
        return found
    raise ValueError(f"{path} cannot be read as {marked[0]}, which its first bytes announce: save it as UTF-8")


def _check_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines of text, and refuse what is no text."""
    for line in lines:
        if "\0" in line:
            raise csv.Error("it holds bytes that are no text")
        yield line


def _parse(lines: Iterator[str], path: Path, kept: Sequence[int], all_rows: bool) -> Iterator[tuple[int, list]]:
    """Yield number and cells of each line that is not empty; those of the header first, all of them.

    pandas fills short rows up in silence, takes the first column for row names where rows are longer than the header, and does
    not count lines.
    """
    before, first = 1, next(lines, "")
    while first and not first.strip():
        before, first = before + 1, next(lines, "")
    if announced := re.fullmatch(r'"?sep=(.)"?\s*', first):  # Excel's own line
        separator, before, first = announced[1], before + 1, next(lines, "")
    else:
        separator = _find_separator(first, path)
    if not first.strip():
        return
    header = [_clean(cell) for cell in next(csv.reader([first], delimiter=separator, skipinitialspace=True))]
    yield before, header
    if not all_rows:
        return
    taken: list[str] = []  # lines of a row
    reader = csv.reader(_note(lines, taken), delimiter=separator, skipinitialspace=True)
    short: list[int] = []
    for cells in _limit_cells(reader, before):
        line = before + reader.line_num
        if len(taken) > 1 or len(cells) < len(header):
            _check_quotes(taken, separator, path, line)
        taken.clear()
        if not any(_clean(cell) for cell in cells):
            continue
        if any(_clean(cell) for cell in cells[len(header) :]):
            raise ValueError(
                f"{path} has {len(cells)} cells in line {line}, but {len(header)} columns: accepted is a name for each"
                f" column, and quotation marks around cells that hold {separator!r}"
            )
        if len(cells) < len(header):
            short.append(line)
            cells += [""] * (len(header) - len(cells))
        yield line, [_read_cell(cells[index]) for index in kept]
    if short and kept:
        logger.warning("%s has %d rows with fewer cells than columns (first: line %d): the last ones count as missing", path,
                       len(short), short[0])  # fmt: skip


def _limit_cells(reader: Any, before: int) -> Iterator[list[str]]:
    """Yield the rows of a `csv.reader`, which begins after so many lines, and name the line of a cell that is too long."""
    csv.field_size_limit(MAX_CELL)  # for the whole process: a long text in a column that nobody uses harms nobody
    try:
        yield from reader
    except csv.Error as error:
        if "field limit" not in str(error):
            raise
        raise csv.Error(f"it has a cell of more than {MAX_CELL:,} letters in line {before + reader.line_num}") from error


def _note(lines: Iterable[str], taken: list[str]) -> Iterator[str]:
    """Yield lines, and add each to a list."""
    for line in lines:
        taken.append(line)
        yield line


def _check_quotes(lines: Sequence[str], separator: str, path: Path, line: int) -> None:
    """Refuse a row of several lines, or of few cells, whose quotation marks are not those around cells: they hide others."""
    try:
        list(csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True))
    except csv.Error as error:
        start = line - len(lines) + 1
        raise ValueError(f"{path} has a quotation mark in line {start} that is not closed ({error}): accepted are two") from error


def _find_separator(header: str, path: Path) -> str:
    """Return the separator of a header: a tab where it has one, else semicolon or comma, whichever makes more columns."""
    counts = {mark: len(next(csv.reader([header], delimiter=mark), [])) for mark in SEPARATORS}
    if counts["\t"] > 1:
        return "\t"
    best = max(SEPARATORS, key=lambda mark: counts[mark])
    if counts[best] <= 1 and "|" in header:
        raise ValueError(f"{path} has columns separated by '|': accepted are tabs, semicolons and commas")
    return best if counts[best] > 1 else ("," if path.suffix.lower() == ".csv" else "\t")


def _read_cell(cell: str) -> str | None:
    """Return the text of a cell, None where it is missing; "None" is Python's word, "none" may be a value."""
    text = _clean(cell)
    return None if text.lower() in MISSING or text == "None" else text


def _clean(cell: str) -> str:
    """Return a cell without blanks and invisible marks around it."""
    return cell.strip().strip("\ufeff\u200b").strip()
