"""The folder of a cohort, and names of its sessions."""

from pathlib import Path

import pandas as pd
import pytest

from bundle.cohorts import find_folder
from bundle.cohorts.layouts import parse_months


def test_a_folder_that_exists_is_found(tmp_path: Path) -> None:
    assert find_folder(tmp_path) == tmp_path
    with pytest.raises(FileNotFoundError, match="absent does not exist: give the folder of the cohort, with the scans"):
        find_folder(tmp_path / "absent")


@pytest.mark.parametrize(
    ("name", "months"), [("ses-M012", 12), ("ses-M00", 0), ("m06", 6), ("bl", 0), ("ses-2", 2), ("ses-M120", 120)]
)
def test_months_of_a_session(name: str, months: int) -> None:
    assert parse_months(name) == months


@pytest.mark.parametrize("name", ["baselineX", "y1", "uns1", "sc", "4_bl", "v05", None, float("nan")])
def test_a_session_without_a_number_has_no_month(name: object) -> None:
    assert pd.isna(parse_months(name))
