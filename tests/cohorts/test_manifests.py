"""The manifest as it is counted and written."""

from pathlib import Path

import pandas as pd
import pytest

from bundle.cohorts import write_manifest
from bundle.cohorts.exclusions import Exclusions
from bundle.cohorts.manifests import count_scans, finish_manifest, format_counts
from bundle.data import read_manifest


@pytest.fixture
def manifest(tmp_path: Path) -> pd.DataFrame:
    """Two scans, one without age."""
    (tmp_path / "a.nii").touch()
    (tmp_path / "b.nii").touch()
    rows = [("s1", 0, "train", str(tmp_path / "a.nii"), 61.5), ("s2", 1, "train", str(tmp_path / "b.nii"), None)]
    return pd.DataFrame(rows, columns=["participant_id", "label", "split", "image", "age"])


def test_any_manifest_is_counted_written_and_read_back(manifest: pd.DataFrame, tmp_path: Path, caplog) -> None:
    with caplog.at_level("INFO"):
        path = write_manifest(manifest, tmp_path / "new" / "manifest.tsv")
    pd.testing.assert_frame_equal(read_manifest(path.parent), manifest)
    assert "2 scans" in caplog.text and "n/a" in path.read_text()
    assert (tmp_path / "new" / "manifest_exclusions.tsv").read_text() == "participant_id\tsession_id\treason\n"


def test_other_endings_are_refused(manifest: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="path must end in .tsv"):
        write_manifest(manifest, tmp_path / "manifest.csv")


def test_every_reader_names_who_is_probably_in_two_splits(manifest: pd.DataFrame, caplog) -> None:
    Path(manifest["image"][1]).write_text("another scan")
    people = manifest.assign(participant_id=["A01", "a1"], split=["train", "test"])
    finish_manifest(people, ["", ""], Exclusions("own"), single_class=True)
    assert "A01 (train) and a1 (test) are probably one participant (1 such)" in caplog.text
    caplog.clear()
    finish_manifest(people.assign(split="train"), ["", ""], Exclusions("own"), single_class=True)
    assert "probably" not in caplog.text


@pytest.fixture
def counted() -> pd.DataFrame:
    """Two participants with three scans in training, one in the test."""
    rows = [("a", "train", 0, 60.0, "F"), ("a", "train", 0, 62.0, "F"), ("b", "train", 1, 70.0, "M")]
    rows += [("c", "test", 1, None, None)]
    return pd.DataFrame(rows, columns=["participant_id", "split", "label", "age", "sex"])


def test_participants_scans_age_and_sex_are_counted(counted: pd.DataFrame) -> None:
    counts = count_scans(counted, "ADNI", ["MCI", "AD"]).set_index(["split", "class"])
    assert counts.loc[("train", "0 MCI")].tolist() == ["ADNI", 1, 2, 61.0, pytest.approx(2**0.5), 1, 0]
    assert counts.loc[("train", "1 AD"), ["participants", "scans", "male"]].tolist() == [1, 1, 1]
    assert counts.loc[("test", "1 AD"), ["participants", "female", "male"]].tolist() == [1, 0, 0]
    assert counts.loc[("validation", "0 MCI"), "scans"] == 0
    assert counts.loc[("all", "all"), ["participants", "scans"]].tolist() == [3, 4]


def test_what_was_excluded_is_listed(counted: pd.DataFrame) -> None:
    text = format_counts(count_scans(counted, "ADNI", ["MCI", "AD"]), {"without age": 3})
    assert "     3  without age" in text and "0 MCI" in text
    assert "excluded: nothing" in format_counts(count_scans(counted.drop(columns=["age", "sex"]), "x", []), {})
