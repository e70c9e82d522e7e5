"""The folder of a cohort."""

from pathlib import Path

import pytest

from bundle.cohorts import find_folder


def test_a_folder_with_what_it_must_hold_is_found(tmp_path: Path) -> None:
    (tmp_path / "sub-1").mkdir()
    assert find_folder(tmp_path, ["sub-*", "participants.tsv|sub-1"]) == tmp_path


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no subjects: give the folder of the cohort, which holds subjects"):
        find_folder(tmp_path, ["subjects"])
    with pytest.raises(FileNotFoundError, match="absent does not exist: give the folder of the cohort, with the scans"):
        find_folder(tmp_path / "absent")
