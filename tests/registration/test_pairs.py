"""Pairs of scans in a manifest."""

import pandas as pd
import pytest

from bundle.registration.pairs import list_pairs


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("pair", "ses-M099", "the manifest pairs ses-M024 of sub-1 with ses-M099, but not ses-M099 with ses-M024"),
        ("pair", "ses-M006", "pairs ses-M024 of sub-1 with ses-M006, but not ses-M006 with ses-M024"),
        ("pair", "ses-M024", "pairs ses-M024 of sub-1 with ses-M024"),
        ("participant_id", "sub-9", "pairs ses-M024 of sub-9 with ses-M000, but not ses-M000 with ses-M024"),
    ],
)
def test_pair_without_its_other_scan_is_refused(manifest: pd.DataFrame, column: str, value: str, message: str) -> None:
    manifest.loc[0, column] = value
    with pytest.raises(ValueError, match=message):
        list_pairs(manifest)


def test_pair_that_is_not_mutual_is_refused(manifest: pd.DataFrame) -> None:
    manifest.loc[1, "pair"] = None
    with pytest.raises(ValueError, match="pairs ses-M024 of sub-1 with ses-M000, but not ses-M000 with ses-M024"):
        list_pairs(manifest)


def test_age_says_which_of_two_scans_of_one_class_is_the_earlier(manifest: pd.DataFrame) -> None:
    manifest["age"] = [70.0, 68.0, 61.0, 62.0, 50.0]
    converter, repeat = list_pairs(manifest)
    assert converter.earlier["session_id"] == "ses-M000"
    assert repeat.earlier["session_id"] == "ses-M006"


def test_sessions_are_needed(manifest: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="has a column pair but none of sessions"):
        list_pairs(manifest.drop(columns="session_id"))
