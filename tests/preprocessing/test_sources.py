"""Finding raw scans."""

from pathlib import Path

import pandas as pd
import pytest

from bundle.preprocessing import find_raw_scans
from bundle.preprocessing.sources import keep_stems


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_bids_layout_gives_t1_scans_alone(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "sub-01/ses-M000/anat/sub-01_ses-M000_T1w.nii.gz",
        "sub-01/ses-M000/anat/sub-01_ses-M000_T2w.nii.gz",
        "sub-01/ses-M012/anat/sub-01_ses-M012_run-2_T1w.nii.gz",
        "sub-02/anat/sub-02_T1w.nii",
        "derivatives/x/sub-02/anat/sub-02_T1w.nii",
    )
    found = find_raw_scans(tmp_path)
    assert found["participant_id"].tolist() == ["sub-01", "sub-01", "sub-02"]
    assert found["session_id"].fillna("n/a").tolist() == ["ses-M000", "ses-M012", "n/a"]
    assert found["stem"].tolist() == [
        "sub-01/ses-M000/anat/sub-01_ses-M000",
        "sub-01/ses-M012/anat/sub-01_ses-M012_run-2",
        "sub-02/anat/sub-02",
    ]


def test_caps_layout_gives_each_scan_once(tmp_path: Path) -> None:
    start = "subjects/sub-ADNI002S0295/ses-M000/t1_linear/sub-ADNI002S0295_ses-M000_space-MNI152NLin2009cSym"
    touch(tmp_path, f"{start}_desc-Crop_res-1x1x1_T1w.nii.gz", f"{start}_res-1x1x1_T1w.nii.gz", "subjects/other.nii.gz")
    found = find_raw_scans(tmp_path)
    assert found["stem"].tolist() == [f"sub-ADNI002S0295/ses-M000/anat/{Path(start).name}_res-1x1x1"]
    assert "Crop" not in found["raw_image"][0]


def test_any_folder_gives_all_scans_but_our_own_files(tmp_path: Path) -> None:
    touch(tmp_path, "ch2.nii.gz", "b/T1.nii", "b/T1.nii.gz", "b/notes.txt", "out/sub-1_desc-prepared_T1w.nii.gz")
    touch(tmp_path, "out/ch2_fa_mean.nii.gz")
    found = find_raw_scans(tmp_path)
    assert found["participant_id"].tolist() == ["b/T1", "b/T1", "ch2"]
    assert found["stem"].tolist() == ["b/T1", "b/T1_2", "ch2"]
    assert find_raw_scans(tmp_path / "ch2.nii.gz")["stem"].tolist() == ["ch2"]


def test_a_table_carries_its_columns_over_but_no_paths(tmp_path: Path) -> None:
    rows = {"participant_id": ["a b", "sub-2"], "session_id": ["ses-1", None], "label": ["0", "1"], "split": ["train", "test"],
            "image": ["x/a.nii", "/y/b.nii"], "mask": ["m.nii", None], "age": ["70", None]}  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.tsv", sep="\t", index=False, na_rep="n/a")
    found = find_raw_scans(tmp_path)
    assert list(found) == ["participant_id", "session_id", "label", "split", "age", "raw_image", "stem"]
    assert found["raw_image"].tolist() == [str(tmp_path / "x/a.nii"), "/y/b.nii"]
    assert found["stem"].tolist() == ["sub-ab/ses-1/anat/sub-ab_ses-1_a", "sub-2/anat/sub-2_b"]
    assert find_raw_scans(tmp_path / "manifest.tsv").equals(found)


def test_a_bids_table_without_images_leaves_it_to_the_layout(tmp_path: Path) -> None:
    touch(tmp_path, "sub-01/anat/sub-01_T1w.nii.gz")
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-01\t60\n")
    assert find_raw_scans(tmp_path)["participant_id"].tolist() == ["sub-01"]


def test_what_holds_no_scan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no scan"):
        find_raw_scans(tmp_path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_raw_scans(tmp_path / "none")
    (tmp_path / "list.tsv").write_text("path\nx\n")
    with pytest.raises(ValueError, match="lacks the column image"):
        find_raw_scans(tmp_path / "list.tsv")
    (tmp_path / "manifest.tsv").write_text("participant_id\timage\nsub-1\tx.nii\nsub-2\tn/a\n")
    with pytest.raises(ValueError, match="names no image in line 3"):
        find_raw_scans(tmp_path)


def test_prepared_scans_carry_the_names_of_the_raw_ones(tmp_path: Path) -> None:
    names = [
        "chris_t1.nii",
        "Study #1/a b.nii.gz",
        "x/sub-S1_T1w.nii.gz",
        "x/sub-S1_desc-original_T1w.nii.gz",
        "x/._sub-S1_T1w.nii.gz",
    ]
    touch(tmp_path, *names)
    stems = find_raw_scans(tmp_path)["stem"].tolist()
    assert stems == ["Study #1/a b", "chris_t1", "x/sub-S1", "x/sub-S1_desc-original"]


def test_links_have_their_own_names(tmp_path: Path) -> None:
    touch(tmp_path, ".annex/SHA256-key")
    (tmp_path / "sub-01_T1w.nii.gz").symlink_to(".annex/SHA256-key")
    for source in (tmp_path, tmp_path / "sub-01_T1w.nii.gz"):
        found = find_raw_scans(source)
        assert found["stem"].tolist() == ["sub-01"] and found["raw_image"].tolist() == [str(tmp_path / "sub-01_T1w.nii.gz")]


def test_scans_of_a_table_are_told_apart_by_their_participants(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "participant_id;session_id;image\n100307;;/a/T1.nii\n100408;ses-2;/b/T1.nii\nchris;NA;/c/chris_t1.nii\n"
    )
    assert find_raw_scans(tmp_path / "t.csv")["stem"].tolist() == [
        "sub-100307/anat/sub-100307_T1", "sub-100408/ses-2/anat/sub-100408_ses-2_T1", "sub-chris/anat/chris_t1"]  # fmt: skip


def test_what_an_earlier_version_prepared_keeps_its_name(tmp_path: Path) -> None:
    touch(tmp_path, "raw/chris_t1.nii", "raw/new.nii")
    row = f"sub-christ1/anat/sub-christ1_desc-prepared_T1w.nii.gz\t{tmp_path / 'raw/chris_t1.nii'}\tdone\n"
    (tmp_path / "prepared.tsv").write_text(f"image\traw_image\tstatus\n{row}n/a\t{tmp_path / 'raw/new.nii'}\tfailed\n")
    found = keep_stems(find_raw_scans(tmp_path / "raw"), tmp_path / "prepared.tsv")
    assert found["stem"].tolist() == ["sub-christ1/anat/sub-christ1", "new"]
    assert keep_stems(found, tmp_path / "absent.tsv").equals(found)
