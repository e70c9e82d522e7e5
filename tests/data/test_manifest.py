"""Reading the table of a cohort."""

from pathlib import Path

import pandas as pd
import pytest

from bundle.data import datalist, fingerprint, read_manifest
from bundle.data.manifest import read_listed

HEADER = "participant_id\tlabel\tsplit\timage"
TRAIN = ("s1\t0\ttrain\ta.nii", "s2\t1\ttrain\tb.nii")
ROWS = (*TRAIN, "s3\t0\tvalidation\tc.nii", "s5\t1\tvalidation\te.nii", "s4\t1\ttest\td.nii")


def _write(folder: Path, *rows: str, header: str = HEADER, absent: tuple[str, ...] = ()) -> Path:
    (folder / "participants.tsv").write_text("\n".join((header, *rows)) + "\n")
    for name in {"a.nii", "b.nii", "c.nii", "d.nii", "e.nii", "m.nii"} - set(absent):
        (folder / name).touch()
    return folder


def test_rows_become_items_of_their_split(tmp_path: Path) -> None:
    manifest = read_manifest(_write(tmp_path, *ROWS))
    assert datalist(manifest, "train") == [
        {"participant_id": "s1", "label": 0, "image": str(tmp_path / "a.nii")},
        {"participant_id": "s2", "label": 1, "image": str(tmp_path / "b.nii")},
    ]
    assert [item["participant_id"] for item in datalist(manifest, "test")] == ["s4"]


def test_missing_values_are_left_out(tmp_path: Path) -> None:
    header = f"{HEADER}\tmask\tage\tanatomy"
    rows = ("s1\t0\ttrain\ta.nii\tn/a\t61.5\tcolin", "s2\t1\ttrain\tb.nii\tm.nii\tn/a\t")
    first, second = datalist(read_manifest(_write(tmp_path, *rows, header=header)), "train")
    assert "mask" not in first
    assert (first["age"], first["anatomy"]) == (61.5, "colin")
    assert second == {
        "participant_id": "s2",
        "label": 1,
        "image": str(tmp_path / "b.nii"),
        "mask": str(tmp_path / "m.nii"),
    }


def test_wanted_keys_only(tmp_path: Path) -> None:
    manifest = read_manifest(_write(tmp_path, *ROWS))
    assert datalist(manifest, "validation", ["label", "image"]) == [
        {"label": 0, "image": str(tmp_path / "c.nii")},
        {"label": 1, "image": str(tmp_path / "e.nii")},
    ]
    with pytest.raises(ValueError, match="gives s3 in the split validation no mask"):
        datalist(manifest, "validation", ["image", "mask"])


def test_required_keys_are_checked_and_the_others_kept(tmp_path: Path) -> None:
    rows = ("s1\t0\ttrain\ta.nii\t60", "s2\t1\ttrain\tb.nii\t61", "s3\t0\tvalidation\tc.nii\tn/a", "s5\t1\tvalidation\te.nii\t70")
    manifest = read_manifest(_write(tmp_path, *rows, header=f"{HEADER}\tage"))
    assert datalist(manifest, "train", required=["age"]) == datalist(manifest, "train")
    with pytest.raises(ValueError, match="gives s3 in the split validation no age, which is needed here"):
        datalist(manifest, "validation", required=["age"])


def test_several_sessions_of_a_subject_are_several_scans(tmp_path: Path) -> None:
    rows = ("s1\t0\ttrain\ta.nii\tM00", "s1\t1\ttrain\tb.nii\tM12")
    manifest = read_manifest(_write(tmp_path, *rows, header=f"{HEADER}\tsession_id"))
    assert [item["session_id"] for item in datalist(manifest, "train")] == ["M00", "M12"]


def test_table_of_scans_comes_before_the_table_of_participants(tmp_path: Path) -> None:
    header = f"{HEADER}\tsession_id\tpair\tdiagnosis\ttarget_age\tregions"
    rows = ("s1\t0\ttrain\ta.nii\tM00\tM12\tMCI\t71.5\tm.nii", "s1\t1\ttrain\tb.nii\tM12\tM00\tAD\tn/a\tn/a")
    _write(tmp_path, *rows, header=header)
    (tmp_path / "participants.tsv").rename(tmp_path / "manifest.tsv")
    (tmp_path / "participants.tsv").write_text("participant_id\tsex\ns1\tF\n")
    first, second = datalist(read_manifest(tmp_path), "train")
    assert (first["pair"], first["diagnosis"], first["target_age"]) == ("M12", "MCI", 71.5)
    assert first["regions"] == str(tmp_path / "m.nii") and "regions" not in second


def test_three_classes_are_accepted(tmp_path: Path) -> None:
    rows = ("s1\t0\ttrain\ta.nii", "s2\t1\ttrain\tb.nii", "s3\t2\ttrain\tc.nii")
    assert read_manifest(_write(tmp_path, *rows), num_classes=3)["label"].tolist() == [0, 1, 2]


def test_no_key_but_image_starts_with_image(tmp_path: Path) -> None:
    header = f"{HEADER}\tcontrol_image\timage_extra"
    rows = ("s1\t0\ttrain\ta.nii\ta.nii\tx", "s2\t1\ttrain\tb.nii\tb.nii\tx")
    for item in datalist(read_manifest(_write(tmp_path, *rows, header=header)), "train"):
        assert [key for key in item if key.startswith("image")] == ["image"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((), "has no rows"),
        (("s1\t0\ttrain\ta.nii", "s2\tAD\ttrain\tb.nii"), "gives s2 the label 'AD': accepted are integers from 0"),
        (("s1\t0\ttrain\ta.nii", "s2\t-1\ttrain\tb.nii"), "gives s2 the label '-1'"),
        *(
            (("s1\t0\ttrain\ta.nii", f"s2\t{label}\ttrain\tb.nii"), f"gives s2 the label '{label}': .* from 0 to 1, K - 1 for K")
            for label in ("2", "300000000", "9" * 20, "9" * 400)
        ),
        (("s1\t0\ttrain\ta.nii", "s2\t٠\ttrain\tb.nii"), "gives s2 the label '٠': accepted are integers from 0"),  # noqa: RUF001
        (("s1\t0\ttrain\ta.nii", "s2\tn/a\ttrain\tb.nii"), "gives s2 in line 3 no label"),
        (("s1\t0\ttrain\ta.nii", "n/a\t1\ttrain\tb.nii"), "gives the scan in line 3 no participant_id"),
        (
            ("s1\t0\ttrain\ta.nii", "s2\t1\tdev\tb.nii"),
            "puts s2 in the split 'dev': accepted are train, validation, test",
        ),
        (("s1\t0\ttrain\ta.nii", "s2\t0\ttrain\tb.nii"), "no scan of class 1 in the split train"),
        ((*ROWS[:2], "s1\t0\ttest\tc.nii"), "puts s1 in the splits test and train"),
        ((*ROWS[:2], "s6\t0\ttrain\ta.nii"), r"lists \S+/a\.nii more than once"),
        ((*ROWS[:2], "s6\t0\ttest\t./a.nii"), r"lists \S+/a\.nii more than once"),
        (ROWS[:3], "no scan of class 1 in the split validation"),
    ],
)
def test_wrong_row_is_refused(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_manifest(_write(tmp_path, *rows))
    assert "participants.tsv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_label_beyond_the_number_of_classes_is_refused(tmp_path: Path) -> None:
    rows = (*ROWS, "s6\t2\ttrain\tm.nii")
    with pytest.raises(ValueError, match="gives s6 the label '2': accepted are integers from 0 to 1"):
        read_manifest(_write(tmp_path, *rows), num_classes=2)


@pytest.mark.parametrize("labels", [("HC", "PT"), ("False", "True"), ("1", "2")])
def test_classes_with_names_or_counted_from_1_lead_to_the_reader_that_takes_them(tmp_path: Path, labels: tuple[str, str]) -> None:
    rows = [f"s{number}\t{labels[number % 2]}\ttrain\ta.nii" for number in range(2)]
    with pytest.raises(ValueError, match=r"the label '.*; classes with names, or counted from 1: configs/data/folder\.yaml with"):
        read_manifest(_write(tmp_path, *rows))


def test_missing_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lacks the column split: required are participant_id, label, split, image"):
        read_manifest(_write(tmp_path, "s1\t0\ta.nii", header="participant_id\tlabel\timage"))


def test_missing_files_are_refused_before_any_is_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"names 2 files that do not exist, the first is .*b\.nii"):
        read_manifest(_write(tmp_path, *ROWS, absent=("b.nii", "d.nii")))


def test_one_missing_file_is_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"names a file that does not exist, \S+b\.nii$"):
        read_manifest(_write(tmp_path, *ROWS, absent=("b.nii",)))


def test_a_spreadsheet_in_place_of_a_table_is_named_with_the_remedy(tmp_path: Path, caplog) -> None:
    (tmp_path / "participants.xlsx").write_bytes(b"PK")
    with pytest.raises(FileNotFoundError, match=r"; to use participants\.xlsx, save it as \.tsv or \.csv$"):
        read_manifest(tmp_path)
    with pytest.raises(ValueError, match=r"participants\.xlsx is no table: save it as a file ending in \.tsv, \.csv"):
        read_manifest(tmp_path / "participants.xlsx")
    assert read_listed(tmp_path) is None
    assert "has no table that is used; to use participants.xlsx, save it as .tsv or .csv" in caplog.text


def test_missing_folder_and_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none does not exist: give a folder that holds participants\.tsv"):
        read_manifest(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"dataset_dir must be a folder that holds participants\.tsv"):
        read_manifest(tmp_path)


def test_unknown_or_empty_split_is_refused(tmp_path: Path) -> None:
    manifest = read_manifest(_write(tmp_path, *ROWS[:2]))
    with pytest.raises(ValueError, match="split must be one of train, validation, test, got 'dev'"):
        datalist(manifest, "dev")
    with pytest.raises(ValueError, match="no row whose split is test"):
        datalist(manifest, "test")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("M00\tM12", "M12\tM36", "pairs M00 of s1 with M12, but not M12 with M00"),
        ("M00\tM00", "M12\tn/a", "pairs M00 of s1 with M00"),
    ],
)
def test_a_pair_of_which_one_scan_does_not_name_the_other_is_refused(
    tmp_path: Path, first: str, second: str, message: str
) -> None:
    rows = (f"s1\t0\ttrain\ta.nii\t{first}", f"s1\t1\ttrain\tb.nii\t{second}")
    with pytest.raises(ValueError, match=message):
        read_manifest(_write(tmp_path, *rows, header=f"{HEADER}\tsession_id\tpair"))


def test_a_fingerprint_tells_who_is_trained_and_validated_on_and_not_in_what_order(tmp_path: Path) -> None:
    def take(*rows: str) -> str:
        return fingerprint(read_manifest(_write(tmp_path, *rows)))

    own = take(*ROWS)
    assert take(*ROWS[::-1]) == own == take(*ROWS[:-1])  # who is tested on does not matter
    exchanged = ["s5" + ROWS[1][2:], "s2" + ROWS[3][2:]]  # as many of each class and split
    assert take(ROWS[0], ROWS[2], *exchanged) != own
    assert take(ROWS[0].replace("\t0", "\t1"), ROWS[1].replace("\t1", "\t0"), *ROWS[2:]) != own


def _write_as(folder: Path, name: str, separator: str, encoding: str = "utf-8", header: str = HEADER) -> Path:
    _write(folder, *ROWS)
    text = (folder / "participants.tsv").read_text().replace(HEADER, header).replace("\t", separator)
    (folder / "participants.tsv").unlink()
    (folder / name).write_bytes(text.encode(encoding))
    return folder


@pytest.mark.parametrize("name", ["participants.tsv", "participants.csv", "manifest.txt", "participants.tab"])
@pytest.mark.parametrize(("separator", "encoding"), [("\t", "utf-8"), (";", "utf-8-sig"), (" , ", "utf-16"), ("\t ", "cp1252")])
def test_tables_of_any_usual_kind_are_cohorts(tmp_path: Path, name: str, separator: str, encoding: str) -> None:
    header = "Participant_ID\tLabel\tsplit\tImage"
    manifest = read_manifest(_write_as(tmp_path, name, separator, encoding, header))
    assert manifest[["participant_id", "label", "split"]].to_numpy().tolist() == [
        ["s1", 0, "train"], ["s2", 1, "train"], ["s3", 0, "validation"], ["s5", 1, "validation"], ["s4", 1, "test"]]  # fmt: skip
    assert manifest["image"].tolist() == [str(tmp_path / f"{name}.nii") for name in "abced"]
    pd.testing.assert_frame_equal(read_manifest(tmp_path / name), manifest)  # the table itself


def test_splits_in_another_case_and_labels_with_decimals_are_what_they_mean(tmp_path: Path) -> None:
    rows = ("s1\t0.0\tTrain \ta.nii", "s2\t1.0\tTRAIN\tb.nii")
    assert read_manifest(_write(tmp_path, *rows))[["label", "split"]].to_numpy().tolist() == [[0, "train"], [1, "train"]]
    with pytest.raises(ValueError, match="gives s2 the label '1.5'"):
        read_manifest(_write(tmp_path, rows[0], rows[1].replace("1.0", "1.5")))


def test_a_bad_age_harms_nobody_who_does_not_need_it(tmp_path: Path, caplog) -> None:
    rows = ("s1\t0\ttrain\ta.nii\told", "s2\t1\ttrain\tb.nii\t89+")
    manifest = read_manifest(_write(tmp_path, *rows, header=f"{HEADER}\tage"))
    assert manifest["age"].tolist()[1] == 89 and pd.isna(manifest["age"][0])
    assert "1 values of age that count as missing (first: 'old' of s1)" in caplog.text
    assert [item["label"] for item in datalist(manifest, "train", ["label", "image"])] == [0, 1]
    with pytest.raises(ValueError, match="gives s1 in the split train no age, which is needed here"):
        datalist(manifest, "train", ["label", "image", "age"])


def test_a_participant_with_and_without_prefix_is_one(tmp_path: Path) -> None:
    rows = (*ROWS[:2], "sub-s1\t0\ttest\tc.nii")
    with pytest.raises(ValueError, match=r"puts s1 in the splits test and train \(1 such subjects\)"):
        read_manifest(_write(tmp_path, *rows))


def test_lines_are_counted_as_in_the_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gives s2 in line 4 no label"):
        read_manifest(_write(tmp_path, ROWS[0], "", "s2\tNA\ttrain\tb.nii"))


def test_links_to_scans_that_are_not_there_are_named_as_such(tmp_path: Path) -> None:
    _write(tmp_path, *ROWS, absent=("b.nii",))
    (tmp_path / "b.nii").symlink_to(".git/annex/x")
    with pytest.raises(FileNotFoundError, match=r"names links to files that are not there \(1, first: \S+/b\.nii\): fetch them"):
        read_manifest(tmp_path)


def test_a_table_that_is_a_link_names_files_beside_the_link(tmp_path: Path) -> None:
    _write(tmp_path, *ROWS)
    (tmp_path / "store").mkdir()
    (tmp_path / "participants.tsv").rename(tmp_path / "store" / "key.tsv")
    (tmp_path / "participants.tsv").symlink_to("store/key.tsv")
    assert read_manifest(tmp_path)["image"][0] == str(tmp_path / "a.nii")


def test_probable_namesakes_in_different_splits_are_warned_of(tmp_path: Path, caplog) -> None:
    read_manifest(_write(tmp_path, *TRAIN, "s01\t1\ttest\tc.nii"))
    assert "s1 (train) and s01 (test) are probably one participant" in caplog.text


@pytest.mark.parametrize("name", ["Participants.tsv", "PARTICIPANTS.TSV", "Manifest.CSV"])
def test_a_table_is_found_in_any_case(tmp_path: Path, name: str, caplog) -> None:
    (_write(tmp_path, *ROWS) / "participants.tsv").rename(tmp_path / name)
    assert len(read_manifest(tmp_path)) == len(read_listed(tmp_path)[1]) == len(ROWS)
    assert not caplog.text


@pytest.mark.parametrize("other", ["participants.csv", "Participants.TSV"])
def test_a_second_table_of_participants_is_named_as_unused(tmp_path: Path, other: str, caplog) -> None:
    (_write(tmp_path, *ROWS) / other).write_text("participant_id,image\n1,a.nii\n")
    for read in (read_manifest, read_listed):
        caplog.clear()
        read(tmp_path)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert f"also holds {other}, not used: to use a table, give its path as dataset_dir" in caplog.text


def test_a_table_of_images_under_another_name_is_named_as_unused(tmp_path: Path, caplog) -> None:
    (tmp_path / "people.csv").write_text("participant_id,Image\n1,a.nii\n")
    (tmp_path / "ages.csv").write_text("participant_id,age\n1,60\n")
    assert read_listed(tmp_path) is None
    assert "also holds people.csv, not used" in caplog.text and "ages.csv" not in caplog.text
    caplog.clear()
    assert read_listed(tmp_path / "people.csv") is not None and not caplog.text
