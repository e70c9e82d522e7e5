"""The table of an inference on disk."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from bundle.inference.table import ScanTable, find_key

COLUMNS = ["scan", "name", "status", "probability_0"]
ROWS = [{"scan": f"/data/{name}", "name": name, "status": "done", "probability_0": 0.1 + 1e-17} for name in ("a", 'b"', "c,\nd")]


@pytest.fixture
def table(tmp_path: Path) -> ScanTable:
    table = ScanTable(tmp_path / "predictions.csv", COLUMNS)
    table.write(ROWS[:1])
    for row in ROWS[1:]:
        table.append(row)
    return table


def test_rows_are_read_as_they_were_written(table: ScanTable) -> None:
    assert table.read() == [{name: str(value) for name, value in row.items()} for row in ROWS]
    assert pd.read_csv(table.path)["name"].tolist() == [row["name"] for row in ROWS]
    assert pd.read_csv(table.path)["probability_0"].tolist() == [row["probability_0"] for row in ROWS]


def test_a_table_torn_at_any_byte_loses_its_last_row_alone(table: ScanTable) -> None:
    content = table.path.read_bytes()
    start = content.index(b"\n") + 1
    whole = table.read()
    for size in range(start, len(content)):
        table.path.write_bytes(content[:size])
        read = table.read()
        assert read == whole[: len(read)]
        assert len(read) == sum(len(format_rows(table, whole[:count])) <= size for count in (1, 2, 3))


def format_rows(table: ScanTable, rows: list[dict[str, str]]) -> bytes:
    """Return the bytes of a table with these rows."""
    other = ScanTable(table.path.with_name("other.csv"), COLUMNS)
    other.write(rows)
    return other.path.read_bytes()


def test_appended_rows_have_the_bytes_of_written_ones(table: ScanTable) -> None:
    assert table.path.read_bytes() == format_rows(table, ROWS)


def test_rows_are_put_into_order_and_those_of_other_scans_after_them(table: ScanTable) -> None:
    table.sort([find_key(ROWS[index]) for index in (2, 0)])
    assert [row["name"] for row in table.read()] == ["c,\nd", "a", 'b"']
    before = table.path.stat().st_ino
    table.sort([find_key(ROWS[index]) for index in (2, 0)])
    assert table.path.stat().st_ino == before  # an ordered table is not written again


def test_a_full_disk_leaves_no_part_of_a_row(table: ScanTable, monkeypatch: pytest.MonkeyPatch) -> None:
    before = table.path.read_bytes()

    class FullDisk:
        def __init__(self, path: Path, *_: object, **__: object) -> None:
            self.file = open(path, "ab", buffering=0)  # noqa: PTH123, SIM115

        def __enter__(self) -> "FullDisk":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def write(self, line: bytes) -> int:
            return self.file.write(line[:5])

    with (
        monkeypatch.context() as patch,
        pytest.raises(OSError, match=r"predictions\.csv cannot be written to \(the disk is full\): the same command goes on"),
    ):
        patch.setattr(Path, "open", lambda path, *_, **__: FullDisk(path))
        table.append(ROWS[0])
    assert table.path.read_bytes() == before


def test_another_table_is_refused(table: ScanTable) -> None:
    table.path.write_text("participant_id,label\n1,0\n")
    with pytest.raises(ValueError, match=r"is another table, .*\(it has the columns participant_id, label\)"):
        table.read()


def test_names_that_are_not_utf8_are_escaped(table: ScanTable) -> None:
    row = {"scan": "/data/M\udcfcller", "name": "M\udcfcller", "status": "done"}
    table.append(row)
    assert find_key(table.read()[-1]) == find_key(row) == (r"/data/M\xfcller", r"M\xfcller")
    with table.path.open(encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 5
