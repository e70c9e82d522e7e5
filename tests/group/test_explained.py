"""Folders of inferences, and their tables of participants."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bundle.group import Cohort

MAPS = [np.ones((4, 5, 3))] * 3
DIRECTIONS = [(0, 1), (0, 1), (1, 0)]


@pytest.fixture
def folder(write_group: Callable[..., Path]) -> Path:
    """Folder of an inference of three scans."""
    return write_group(MAPS, DIRECTIONS)


def write_table(folder: Path, *lines: str) -> Path:
    path = folder.parent / "people.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_several_folders_are_one_group_however_they_are_given(write_group: Callable[..., Path], tmp_path: Path) -> None:
    folders = [write_group(MAPS, DIRECTIONS, name) for name in ("a", "b")]
    for given in (folders, tmp_path, str([str(folder) for folder in folders])):
        assert [scan.row["name"] for scan in Cohort(given).read()] == [f"sub-{name}{i:02d}" for name in "ab" for i in range(3)]


def test_folders_of_other_settings_are_refused(write_group: Callable[..., Path]) -> None:
    folders = [write_group(MAPS, DIRECTIONS, name) for name in ("a", "b")]
    (folders[1] / "settings.json").write_text('{"weights": "4567", "fingerprint": ""}')
    (folders[0] / "settings.json").write_text('{"weights": "0123", "fingerprint": ""}')
    with pytest.raises(ValueError, match="are of runs with other weights: accepted are results of one run"):
        Cohort(folders).read()


def test_maps_on_whole_heads_are_refused(folder: Path) -> None:
    (folder / "settings.json").write_text('{"prepare": true, "fingerprint": ""}')
    with pytest.raises(ValueError, match="holds maps on whole heads, which are not in one space"):
        Cohort(folder).read()


def test_a_scan_that_is_there_twice_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="sub-00.nii.gz is in the results twice"):
        Cohort([folder, folder]).read()


def test_a_list_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValueError, match=r"results_dir is no list of folders, got \['a"):
        Cohort("['a")


def test_folders_without_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no predictions\.csv with settings\.json"):
        Cohort(tmp_path).read()
    with pytest.raises(FileNotFoundError, match="results_dir .*nowhere does not exist"):
        Cohort(tmp_path / "nowhere").read()


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        ("participant_id", ["00", "sub-01", "sub-02"]),
        ("name", ["sub-00", "sub-01", "sub-02.nii.gz"]),
        ("image", ["scans/sub-00.nii.gz", "scans/sub-01.nii.gz", "./scans/sub-02.nii.gz"]),
    ],
)
def test_a_table_finds_its_scans_by_each_of_its_columns(folder: Path, column: str, cells: list[str]) -> None:
    lines = [f"{cell},{age}" for cell, age in zip(cells, (50, 60, ""), strict=True)]
    scans = Cohort(folder, write_table(folder, f"{column},age", *lines)).read()
    assert [scan.facts.get("age") for scan in scans] == ["50", "60", None]
    assert scans[0].facts["predicted_class"] == "0"


def test_scans_without_a_row_are_left_out_and_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        scans = Cohort(folder, write_table(folder, "participant_id,age", "01,60", "07,60")).read()
    assert [scan.person for scan in scans] == ["01"]
    assert any("2 of 3 scans have no row" in text and text.endswith("the first is sub-00") for text in caplog.messages)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["subject,age", "00,50"], "has the columns subject, age: one of name, scan, image, participant_id must name the scan"),
        (["participant_id,age", "77,50"], "fits no scan by its column participant_id, such as 77: the first scan is sub-00"),
        (["participant_id,age", "00,50", "sub-00,51"], "has 2 rows with the participant_id of sub-00: accepted is one"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(folder: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cohort(folder, write_table(folder, *lines)).read()
