"""Listing the scans of a folder or table."""

from pathlib import Path

import pytest

from bundle.inference import find_scans, load_scan


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_folder_is_searched_in_depth(tmp_path: Path) -> None:
    paths = [_touch(tmp_path / name) for name in ("a.nii", "b.nii.gz", "sub-1/anat/c.nii.gz")]
    _touch(tmp_path / "notes.txt")
    found = find_scans(tmp_path)
    assert [item["image"] for item in found] == [str(path) for path in paths]
    assert [item["name"] for item in found] == ["a", "b", "sub-1/anat/c"]


def test_names_are_unique(tmp_path: Path) -> None:
    _touch(tmp_path / "a.nii")
    _touch(tmp_path / "a.nii.gz")
    assert [item["name"] for item in find_scans(tmp_path)] == ["a", "a_2"]


def test_same_name_in_two_folders_is_mirrored(tmp_path: Path) -> None:
    _touch(tmp_path / "x" / "a.nii")
    _touch(tmp_path / "y" / "a.nii")
    assert [item["name"] for item in find_scans(tmp_path)] == ["x/a", "y/a"]


def test_maps_and_unfinished_files_are_no_scans(tmp_path: Path) -> None:
    for name in ("a_fa_mean.nii.gz", "a_translated.nii", ".partial-1-a.nii.gz", "scan.nii.gz"):
        _touch(tmp_path / name)
    assert [item["name"] for item in find_scans(tmp_path)] == ["scan"]


@pytest.mark.parametrize("as_file", [False, True])
def test_table_lists_the_scans(tmp_path: Path, as_file: bool) -> None:
    _touch(tmp_path / "mask.nii.gz")
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tsplit\timage\nsub-1\ttrain\ta/x.nii\nsub-2\ttest\t/elsewhere/y.nii.gz\n")
    found = find_scans(table if as_file else tmp_path)
    assert [item["name"] for item in found] == ["a/x", "y"]
    assert [item["image"] for item in found] == [str(tmp_path / "a/x.nii"), "/elsewhere/y.nii.gz"]
    assert [item["name"] for item in find_scans(tmp_path, split="test")] == ["y"]


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no scan: accepted are files ending in \.nii, \.nii\.gz"):
        find_scans(tmp_path)


def test_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none does not exist"):
        find_scans(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "split", "message"),
    [
        ("participant_id\nsub-1\n", None, "holds no scan"),
        ("participant_id\tsplit\nsub-1\ttest\n", "test", "lacks the column image"),
        ("image\na.nii\n", "test", "lacks the column split"),
        ("image\tsplit\na.nii\ttrain\n", "test", "no row whose split is test"),
        ("image\tsplit\na.nii\ttrain\nn/a\ttrain\n", None, "names no image in line 3"),
        ("image\n", None, "has no rows"),
    ],
)
def test_bad_table_is_refused(tmp_path: Path, text: str, split: str | None, message: str) -> None:
    (tmp_path / "participants.tsv").write_text(text)
    with pytest.raises(ValueError, match=message):
        find_scans(tmp_path, split)


def test_a_table_without_images_leaves_the_folder_and_masks_are_no_scans(tmp_path: Path) -> None:
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-1\t70\n")
    for name in ("sub-1_T1w.nii.gz", "sub-1_desc-brain_mask.nii.gz", "brainmask_fs.nii.gz", "sub-1_dseg.nii"):
        (tmp_path / name).touch()
    assert [item["name"] for item in find_scans(tmp_path)] == ["sub-1_T1w"]


def test_load_scan_says_what_is_wrong(tmp_path: Path) -> None:
    def refuse(item: dict) -> dict:
        raise ValueError(f"{item['image']} is bad")

    with pytest.raises(ValueError, match=r"scan\.nii is bad"):
        load_scan(tmp_path / "scan.nii", refuse)
    assert load_scan(None, refuse) is None
