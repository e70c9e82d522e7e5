"""Counts of a cohort, against numbers by hand."""

import pandas as pd
import pytest

from bundle.cohorts.counts import count_scans, format_counts


@pytest.fixture
def manifest() -> pd.DataFrame:
    """Two participants with three scans in training, one in the test."""
    rows = [("a", "train", 0, 60.0, "F"), ("a", "train", 0, 62.0, "F"), ("b", "train", 1, 70.0, "M")]
    rows += [("c", "test", 1, None, None)]
    return pd.DataFrame(rows, columns=["participant_id", "split", "label", "age", "sex"])


def test_participants_scans_age_and_sex_are_counted(manifest: pd.DataFrame) -> None:
    counts = count_scans(manifest, "ADNI", ["MCI", "AD"]).set_index(["split", "class"])
    assert counts.loc[("train", "0 MCI")].tolist() == ["ADNI", 1, 2, 61.0, pytest.approx(2**0.5), 1, 0]
    assert counts.loc[("train", "1 AD"), ["participants", "scans", "male"]].tolist() == [1, 1, 1]
    assert counts.loc[("test", "1 AD"), ["participants", "female", "male"]].tolist() == [1, 0, 0]
    assert counts.loc[("validation", "0 MCI"), "scans"] == 0
    assert counts.loc[("all", "all"), ["participants", "scans"]].tolist() == [3, 4]


def test_what_was_left_out_is_told(manifest: pd.DataFrame) -> None:
    text = format_counts(count_scans(manifest, "ADNI", ["MCI", "AD"]), {"without age": 3})
    assert "     3  without age" in text and "0 MCI" in text
    assert "left out: nothing" in format_counts(count_scans(manifest.drop(columns=["age", "sex"]), "x", []), {})
