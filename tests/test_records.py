"""Records of work that is done."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from bundle.records import check_settings, compute_fingerprint, hash_contents, list_versions, read_record, write_record


class Settings(NamedTuple):
    size: float
    folder: Path


def test_a_record_is_read_back_and_only_with_its_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "new" / "scan.json"
    content = write_record(path, "one", {"measures": (1, 2.5), "folder": tmp_path})
    assert content == {"measures": [1, 2.5], "folder": str(tmp_path)}
    assert read_record(path, "one") == read_record(path, None) == content
    assert read_record(path, "two") is None
    assert [other.name for other in path.parent.iterdir()] == ["scan.json"]


def test_without_a_result_there_is_no_record(tmp_path: Path) -> None:
    path, result = tmp_path / "scan.json", tmp_path / "scan.nii"
    result.touch()
    write_record(path, "one", {})
    assert read_record(path, "one", [result]) == {}
    result.unlink()
    assert read_record(path, "one", [result]) is None


@pytest.mark.parametrize("content", [None, b"", b'{"measures": 1', b'{"measures": 1}', b"[1]", b"1", b"\xff\xfe"])
def test_an_absent_or_damaged_record_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "scan.json"
    if content is not None:
        path.write_bytes(content)
    assert read_record(path, "one") is None
    assert read_record(path, None) is None


def test_what_cannot_be_recorded_leaves_the_old_record(tmp_path: Path) -> None:
    write_record(tmp_path / "scan.json", "one", {"a": 1})
    with pytest.raises(TypeError):
        write_record(tmp_path / "scan.json", "two", {"a": object()})
    assert read_record(tmp_path / "scan.json", "one") == {"a": 1}


def test_fingerprint_follows_settings_and_files(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii"
    absent = compute_fingerprint(files=[path])
    path.write_bytes(b"1")
    os.utime(path, ns=(0, 10**9))
    first = compute_fingerprint(files=[path])
    os.utime(path, ns=(0, 2 * 10**9))
    later = compute_fingerprint(files=[str(path)])
    path.write_bytes(b"12")
    os.utime(path, ns=(0, 2 * 10**9))
    assert len({absent, first, later, compute_fingerprint(files=[path]), compute_fingerprint()}) == 5
    assert compute_fingerprint({"a": 1, "b": 2}) == compute_fingerprint({"b": 2, "a": 1}) != compute_fingerprint({"a": 2, "b": 2})
    assert compute_fingerprint(Settings(1.0, tmp_path)) == compute_fingerprint([1.0, str(tmp_path)])


def test_contents_have_a_hash_wherever_they_lie(tmp_path: Path) -> None:
    for name, content in {"a": b"1", "b": b"1", "c": b"2"}.items():
        (tmp_path / name).write_bytes(content)
    assert hash_contents(tmp_path / "a") == hash_contents(str(tmp_path / "b")) != hash_contents(tmp_path / "c")
    assert hash_contents(None) is None
    with pytest.raises(FileNotFoundError, match="none does not exist"):
        hash_contents(tmp_path / "none")


def test_settings_that_differ_are_all_named() -> None:
    check_settings("table.csv", {"a": 1, "b": [2]}, {"b": [2], "a": 1})
    with pytest.raises(ValueError, match=r"^table\.csv is of a run with other b, d, c: give another output_dir"):
        check_settings("table.csv", {"a": 1, "b": 2, "c": None}, {"a": 1, "b": 3, "d": 4})


def test_versions_are_those_that_run() -> None:
    assert list_versions()["torch"].split("+")[0] == torch.__version__.split("+")[0]
