"""Listing the scans of a folder or table."""

from pathlib import Path

import pytest

from bundle.inference import find_scans, load_scan
from bundle.inference.datasets import FAILURE


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


def test_names_are_unique_and_no_scan_takes_the_name_of_another(tmp_path: Path, caplog) -> None:
    names = {"a.nii": "a", "a.nii.gz": "a_3", "a_2.nii": "a_2", "b.nii": "b"}
    for name in names:
        _touch(tmp_path / name)
    found = find_scans(tmp_path)
    assert {Path(item["scan"]).name: item["name"] for item in found} == names
    assert f"(first: outputs of {tmp_path / 'a.nii.gz'} are called a_3): the table has scan and name of each" in caplog.text


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


def test_a_table_that_is_not_used_is_said_so(tmp_path: Path, caplog) -> None:
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-1\t70\n")
    _touch(tmp_path / "a.nii")
    assert [item["name"] for item in find_scans(tmp_path)] == ["a"]
    assert "participants.tsv is not used, as it lacks the column image: its columns are participant_id, age" in caplog.text


@pytest.mark.parametrize("text", ["participant_id;image\ns1;a.nii\n", "participant_id,Image\ns1, a.nii \n"])
def test_tables_of_other_kinds_are_used(tmp_path: Path, text: str) -> None:
    _touch(tmp_path / "a.nii")
    _touch(tmp_path / "left_out_by_the_table.nii")
    (tmp_path / "participants.tsv").write_text(text)
    assert [item["name"] for item in find_scans(tmp_path)] == ["a"]


def test_a_split_is_taken_in_whatever_case_it_is_written_and_others_are_counted(tmp_path: Path, caplog) -> None:
    rows = "a.nii\ttrain \nb.nii\tTrain\nc.nii\ttest\nd.nii\tn/a\ne.nii\ttrian\n"
    (tmp_path / "list.tsv").write_text(f"image\tsplit\n{rows}")
    assert [item["name"] for item in find_scans(tmp_path / "list.tsv", "train")] == ["a", "b"]
    assert "2 rows are left out, as their split is none of train, validation, test" in caplog.text
    with pytest.raises(ValueError, match="no table: split takes rows of one"):
        find_scans(_touch(tmp_path / "x" / "a.nii").parent, "train")


@pytest.mark.parametrize("listed", [False, True])
def test_a_link_that_leads_nowhere_is_a_failed_scan_and_links_have_their_own_names(tmp_path: Path, listed: bool) -> None:
    _touch(tmp_path / ".git" / "annex" / "SHA256-key")
    for name, target in (("a_T1w.nii.gz", ".git/annex/SHA256-key"), ("b_T1w.nii.gz", ".git/annex/absent")):
        (tmp_path / name).symlink_to(target)
    if listed:
        (tmp_path / "participants.tsv").write_text("image\na_T1w.nii.gz\nb_T1w.nii.gz\n")
    good, bad = find_scans(tmp_path)
    assert good == {"image": str(tmp_path / "a_T1w.nii.gz"), "scan": str(tmp_path / "a_T1w.nii.gz"), "name": "a_T1w"}
    assert bad["name"] == "b_T1w" and "b_T1w.nii.gz is a link to a file that is not there: fetch it" in bad[FAILURE]
    assert [item["name"] for item in find_scans(tmp_path / "a_T1w.nii.gz")] == ["a_T1w"]


def test_prepared_scans_have_the_names_of_their_raw_ones(tmp_path: Path) -> None:
    rows = [
        "x/chris_t1_desc-prepared_T1w.nii.gz\t/raw/x/chris_t1.nii\tx/t.txt",
        "sub-1/anat/sub-1_desc-prepared_T1w.nii.gz\t/r/b.nii\tt",
    ]
    (tmp_path / "prepared.tsv").write_text("image\traw_image\ttransform\n" + "\n".join(rows) + "\n")
    assert [item["name"] for item in find_scans(tmp_path)] == ["x/chris_t1", "sub-1/anat/b"]


def test_an_image_that_a_table_lists_twice_is_explained_once_with_a_warning(tmp_path: Path, caplog) -> None:
    paths = [_touch(tmp_path / name) for name in ("a.nii", "b.nii")]
    (tmp_path / "link.nii").symlink_to("a.nii")
    (tmp_path / "table.csv").write_text("image\na.nii\nb.nii\n./a.nii\nlink.nii\n")
    assert [item["image"] for item in find_scans(tmp_path / "table.csv")] == [str(path) for path in paths]
    assert "table.csv lists 2 images more than once" in caplog.text and "each is explained once" in caplog.text


def test_a_prepared_scan_in_a_folder_is_a_scan_with_the_name_of_the_raw_one(tmp_path: Path) -> None:
    for name in ("x_desc-prepared_T1w.nii.gz", "x_desc-brain_mask.nii.gz", "x_desc-prepared_T1w_fa_mean.nii.gz"):
        _touch(tmp_path / name)
    assert [item["name"] for item in find_scans(tmp_path)] == ["x_T1w"]
