"""The manifest as it is written."""

from pathlib import Path

import pandas as pd
import pytest

from bundle.cohorts import write_manifest
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
    assert (tmp_path / "new" / "manifest_left_out.tsv").read_text() == "participant_id\tsession_id\treason\n"


def test_other_endings_are_refused(manifest: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="path must end in .tsv"):
        write_manifest(manifest, tmp_path / "manifest.csv")
