"""Participants under several names, and in two splits."""

import pandas as pd
import pytest

from bundle.data.participants import find_torn, name_person, warn_of_namesakes


def list_scans(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["participant_id", "split"])


def test_participants_are_the_same_with_and_without_prefix() -> None:
    assert name_person("sub-01") == name_person("01") == "01"


def test_a_participant_in_two_splits_is_found_with_and_without_prefix() -> None:
    assert find_torn(list_scans(("s1", "train"), ("s1", "train"), ("s2", "test"))) == ""
    torn = list_scans(("s1", "train"), ("s2", "train"), ("sub-s1", "test"), ("s2", "validation"), ("s3", "test"))
    assert find_torn(torn) == "s1 in the splits test and train (2 such subjects)"


@pytest.mark.parametrize(
    ("name", "alike"),
    [("sub-1", True), ("1", True), ("SUB-001", True), ("sub-10", False), ("sub-0100", False), ("1b", False)],
)
def test_names_that_differ_in_zeros_alone_are_named_in_different_splits(name: str, alike: bool, caplog) -> None:
    warn_of_namesakes(list_scans(("sub-01", "train"), ("sub-2", "train"), (name, "test"), ("sub-002", "train")))
    assert [record.getMessage() for record in caplog.records] == [
        f"sub-01 (train) and {name} (test) are probably one participant (1 such): one name puts all scans of a participant into"
        " one split"
    ] * alike
