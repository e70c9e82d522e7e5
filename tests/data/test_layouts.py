"""Which layout the results of a folder have."""

from pathlib import Path

import pytest
from bids_validation import SCANS, save_dataset

from bundle.data.layouts import choose_layout


def test_auto_is_bids_for_a_dataset_that_says_so_and_for_its_participants(tmp_path: Path) -> None:
    bids = save_dataset(tmp_path / "bids")
    for place in ("", "sub-01", "sub-01/ses-M00"):
        derivative = choose_layout("auto", bids / place, tmp_path / "maps")
        assert derivative is not None and derivative.raw == bids and derivative.root == tmp_path / "maps"
        assert choose_layout("plain", bids / place, tmp_path / "maps") is None


def test_auto_is_plain_for_a_scan_a_table_a_folder_and_a_cohort(tmp_path: Path) -> None:
    bids = save_dataset(tmp_path / "bids")
    (tmp_path / "list.tsv").write_text("image\na.nii.gz\n")
    for source in (bids / f"{SCANS[0]}.nii.gz", tmp_path / "list.tsv", tmp_path):
        assert choose_layout("auto", source, tmp_path / "maps") is None
    (bids / "participants.tsv").write_text("participant_id\tage\nsub-01\t60\n")
    assert choose_layout("auto", bids, tmp_path / "maps") is not None
    (bids / "participants.tsv").write_text("participant_id\timage\nsub-01\ta.nii.gz\n")
    assert choose_layout("auto", bids, tmp_path / "maps") is None


def test_bids_without_a_description_is_taken_where_it_is_wanted(tmp_path: Path) -> None:
    bids = save_dataset(tmp_path / "bids")
    (bids / "dataset_description.json").unlink()
    assert choose_layout("auto", bids, tmp_path / "maps") is None
    assert choose_layout("bids", bids / "sub-02", tmp_path / "maps") is not None


def test_what_is_not_accepted_is_refused(tmp_path: Path) -> None:
    bids = save_dataset(tmp_path / "bids")
    with pytest.raises(ValueError, match="layout must be one of auto, plain, bids, got 'BIDS'"):
        choose_layout("BIDS", bids, tmp_path / "maps")
    for source in (tmp_path, bids / f"{SCANS[0]}.nii.gz"):
        with pytest.raises(ValueError, match="layout bids needs a BIDS dataset"):
            choose_layout("bids", source, tmp_path / "maps")
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        choose_layout("auto", tmp_path / "nowhere", tmp_path / "maps")
