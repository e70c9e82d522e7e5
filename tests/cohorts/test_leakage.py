"""Participants and images on both sides of a split."""

from pathlib import Path

import pandas as pd
import pytest

from bundle.cohorts.leakage import check_leakage


@pytest.fixture
def manifest(tmp_path: Path) -> pd.DataFrame:
    """Four scans of the same size with different bytes, one of them only in the middle of the file."""
    contents = [b"a" * 3_000_000, b"b" + b"a" * 2_999_999, b"a" * 2_999_999 + b"b", b"a" * 300_000 + b"b" + b"a" * 2_699_999]
    for index, content in enumerate(contents):
        (tmp_path / f"{index}.nii").write_bytes(content)
    images = [str(tmp_path / f"{index}.nii") for index in range(4)]
    splits = ["train", "train", "validation", "test"]
    return pd.DataFrame({"participant_id": [*"abcd"], "split": splits, "image": images})


def test_files_of_one_size_and_different_bytes_are_accepted(manifest: pd.DataFrame) -> None:
    check_leakage(manifest)


def test_a_participant_in_two_splits_is_refused(manifest: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"the cohort has a in the splits test and train \(1 such subjects\)"):
        check_leakage(manifest.assign(participant_id=[*"abca"]))
    with pytest.raises(ValueError, match="the cohort has a in the splits test and train"):
        check_leakage(manifest.assign(participant_id=["a", "b", "c", "sub-a"]))


def test_the_same_path_twice_is_refused(manifest: pd.DataFrame) -> None:
    manifest.loc[3, "image"] = manifest.loc[0, "image"]
    with pytest.raises(ValueError, match=r"0.nii of a \(train\) and .*0.nii of d \(test\) are the same image"):
        check_leakage(manifest)


def test_a_link_to_a_scan_is_refused(manifest: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "link.nii").symlink_to(tmp_path / "0.nii")
    manifest.loc[3, "image"] = str(tmp_path / "link.nii")
    with pytest.raises(ValueError, match=r"0.nii of a \(train\) and .*link.nii of d \(test\) are the same image"):
        check_leakage(manifest, contents=False)


def test_a_copy_of_a_scan_is_refused(manifest: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "3.nii").write_bytes((tmp_path / "1.nii").read_bytes())
    with pytest.raises(ValueError, match=r"1.nii of b \(train\) and .*3.nii of d \(test\) are the same image"):
        check_leakage(manifest)
    check_leakage(manifest, contents=False)
