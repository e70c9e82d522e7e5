"""The table of an inference: a row is appended as soon as its scan is done, and a killed run loses no more than the last one."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bundle.files import escape_name, write_atomically

Row = dict[str, str]


class ScanTable:
    """A CSV file with one row a scan. Names that are not UTF-8 are escaped.

    Args:
        path: its file.
        columns: names of the columns, `scan` and `name` among them.
    """

    def __init__(self, path: str | Path, columns: Sequence[str]) -> None:
        self.path, self.columns = Path(path), list(columns)

    def read(self) -> list[Row]:
        """Read the rows that are whole, of an earlier run; the torn last one of a run that was killed is left out.

        Returns:
            The rows as text; none when there is no file.

        Raises:
            ValueError: When the file is another table.
        """
        if not self.path.is_file():
            return []
        lines = self.path.read_bytes().rpartition(b"\n")[0].decode("utf-8", "replace")  # a row ends with its line
        cells: list[list[str]] = []
        with suppress(csv.Error):  # torn within quotes
            cells.extend(csv.reader(io.StringIO(lines, newline=""), strict=True))
        if not cells or cells[0] != self.columns:
            raise ValueError(
                f"{self.path} is another table, or of a run with other settings (it has the columns"
                f" {', '.join(next(iter(cells), [])) or 'none'}): give another output_dir, or --resume False to replace it"
            )
        return [dict(zip(self.columns, row, strict=True)) for row in cells[1:] if len(row) == len(self.columns)]

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the table, at once."""
        with write_atomically(self.path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            file.write(self._format(dict(zip(self.columns, self.columns, strict=True))))
            file.writelines(map(self._format, rows))

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row: the whole of it or, on a full disk, nothing.

        Raises:
            OSError: When it cannot be written.
        """
        line = self._format(row).encode()
        try:
            with self.path.open("ab", buffering=0) as file:
                before = file.tell()
                if file.write(line) != len(line):
                    file.truncate(before)
                    raise OSError("the disk is full")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OSError(f"{self.path} cannot be written to ({reason}): the same command goes on when it can") from error

    def sort(self, keys: Sequence[tuple[str, str]]) -> None:
        """Put the rows into an order, and those of other scans after them, if they are not so already.

        Args:
            keys: scan and name, in the order wanted.
        """
        places = {key: place for place, key in enumerate(keys)}
        rows = self.read()
        ordered = sorted(rows, key=lambda row: places.get(find_key(row), len(places)))
        if ordered != rows:
            self.write(ordered)

    def _format(self, row: Mapping[str, Any]) -> str:
        """Return a row as a line."""
        line = io.StringIO(newline="")
        cells = (row.get(name, "") for name in self.columns)
        csv.writer(line, lineterminator="\n").writerow(escape_name(cell) if isinstance(cell, str) else cell for cell in cells)
        return line.getvalue()


def find_key(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return what tells a scan from others, its path and its name, as the table has them."""
    return escape_name(str(row["scan"])), escape_name(str(row["name"]))
