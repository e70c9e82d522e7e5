"""Any folder with a table: names of columns and values, patterns, pairs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bundle.cohorts import Splitting, read_folder, write_manifest
from bundle.cohorts.manifests import EXCLUSIONS
from bundle.data import read_manifest
from bundle.data.discovery import DEAD
from bundle.simulation.squares import simulate_squares_cohort

HALVES = Splitting(fractions=(0.5, 0.25, 0.25), least=1)
COLUMNS = {"participant_id": "Subject", "label": "Group", "image": "File", "age": "Years"}


@pytest.fixture
def cohort(tmp_path: Path, make_scan, write_table) -> Path:
    """Four controls and four patients in a CSV with other names."""
    rows = []
    for index in range(8):
        make_scan(tmp_path / "scans" / f"s{index}.nii.gz")
        rows.append(f"p{index} {'patient' if index % 2 else 'Control'} scans/s{index}.nii.gz {50 + index} {'fm'[index // 2 % 2]}")
    write_table(tmp_path / "people.csv", "Subject Group File Years sex", *rows)
    return tmp_path


def read(cohort: Path, **options) -> pd.DataFrame:
    chosen = {"table": "people.csv", "columns": COLUMNS, "classes": [["control"], ["patient"]], "splitting": HALVES}
    return read_folder(cohort, **{**chosen, **options})


def test_columns_and_values_are_named_by_options(cohort: Path) -> None:
    manifest = read(cohort).sort_values("participant_id")
    assert manifest["label"].tolist() == [0, 1] * 4
    assert manifest["image"].tolist() == [str(cohort / "scans" / f"s{index}.nii.gz") for index in range(8)]
    assert manifest["age"].tolist() == list(range(50, 58))
    assert manifest["sex"].tolist() == ["F", "F", "M", "M"] * 2


def test_scans_can_be_found_by_a_pattern(cohort: Path, make_scan) -> None:
    for index in range(8):
        make_scan(cohort / f"p{index}" / "anat" / f"p{index}_T1w.nii.gz")
    columns = {name: column for name, column in COLUMNS.items() if name != "image"}
    manifest = read(cohort, columns=columns, image_pattern="{participant_id}/anat/*_T1w.nii.gz")
    assert all(image.endswith("_T1w.nii.gz") for image in manifest["image"])
    make_scan(cohort / "p0" / "anat" / "p0_run-2_T1w.nii.gz")
    with pytest.raises(ValueError, match="image_pattern finds 2 scans for p0"):
        read(cohort, columns=columns, image_pattern="{participant_id}/anat/*_T1w.nii.gz")
    with pytest.raises(ValueError, match="image_pattern {subject}/x.nii names 'subject'"):
        read(cohort, columns=columns, image_pattern="{subject}/x.nii")
    with pytest.raises(ValueError, match=r"image_pattern /data/x\.nii is no pattern relative to dataset_dir .*: accepted is one"):
        read(cohort, columns=columns, image_pattern="/data/x.nii")


def test_classes_can_be_made_of_ages(cohort: Path) -> None:
    manifest = read(cohort, age_classes=[[50, 52], [54, 60]])
    assert manifest.sort_values("participant_id")["label"].tolist() == [0, 0, 0, 1, 1, 1, 1]


def test_rows_without_a_scan_are_reported(cohort: Path) -> None:
    (cohort / "scans" / "s0.nii.gz").unlink()
    manifest = read(cohort)
    assert manifest.attrs[EXCLUSIONS] == [("p0", "n/a", "in the table, without a scan")]


def test_the_manifest_of_a_cohort_of_ours_is_what_read_manifest_gives(tmp_path: Path) -> None:
    simulate_squares_cohort(tmp_path / "squares", (32, 32), num_train=4, num_validation=4, num_test=4)
    expected = read_manifest(tmp_path / "squares")
    manifest = read_folder(tmp_path / "squares")
    shared = [name for name in expected if name in manifest]
    assert {"participant_id", "label", "split", "image", "mask"} <= set(shared)
    keys = ["participant_id", "image"]
    pd.testing.assert_frame_equal(
        manifest[shared].sort_values(keys, ignore_index=True),
        expected[shared].sort_values(keys, ignore_index=True),
        check_dtype=False,
    )


@pytest.fixture
def longitudinal(tmp_path: Path, make_scan, write_table) -> Path:
    """Eight stable participants, two converters, each with two sessions."""
    rows = []
    for index in range(10):
        for session in ("M00", "M12"):
            make_scan(tmp_path / f"p{index}_{session}.nii.gz")
            label = int(session == "M12") if index > 7 else index % 2
            rows.append(f"p{index} {session} {label} p{index}_{session}.nii.gz")
    write_table(tmp_path / "participants.tsv", "participant_id session_id label image", *rows)
    return tmp_path


def test_converters_are_paired_and_never_trained_on(longitudinal: Path) -> None:
    manifest = read_folder(longitudinal, splitting=HALVES)
    converters = manifest[manifest["participant_id"].isin(["p8", "p9"])]
    assert converters["pair"].tolist() == ["M12", "M00"] * 2
    assert sorted(converters["split"]) == ["test", "test", "validation", "validation"]
    assert manifest.loc[~manifest["participant_id"].isin(["p8", "p9"]), "pair"].isna().all()
    assert len(manifest) == 20 and len(read_folder(longitudinal, splitting=HALVES, sessions="first")) == 12


def test_a_converter_without_a_later_scan_is_not_taken_for_stable(longitudinal: Path) -> None:
    (longitudinal / "p8_M12.nii.gz").unlink()
    (longitudinal / "p7_M12.nii.gz").unlink()
    with pytest.raises(ValueError, match=r"1 participants of class n/a \(who change class\) are too few"):
        read_folder(longitudinal, splitting=HALVES)
    manifest = read_folder(longitudinal, splitting=Splitting(fractions=(0.5, 0.0, 0.5)))
    assert "p8" not in set(manifest["participant_id"]) and "p7" in set(manifest["participant_id"])
    assert ("p8", "M00", "of a converter without usable scans of both classes") in manifest.attrs[EXCLUSIONS]


def test_a_scan_shows_its_age_whatever_other_ages_there_are(tmp_path: Path, make_scan, write_table) -> None:
    rows = [f"p{index} M00 {50 + index % 2 * 20} {make_scan(tmp_path / f'p{index}.nii.gz').name}" for index in range(8)]
    write_table(tmp_path / "participants.tsv", "participant_id session_id age image", *rows, "p0 M99 72 absent.nii.gz")
    manifest = read_folder(tmp_path, age_classes=[[45, 60], [70, 80]], splitting=HALVES)
    assert manifest.set_index("participant_id")["label"]["p0"] == 0 and len(manifest) == 8


def test_written_pairs_are_read_back(longitudinal: Path, tmp_path: Path) -> None:
    manifest = read_folder(longitudinal, splitting=HALVES)
    write_manifest(manifest, tmp_path / "written" / "manifest.tsv")
    again = read_folder(tmp_path / "written", table="manifest.tsv")
    pd.testing.assert_frame_equal(again, manifest, check_dtype=False)
    (longitudinal / "p8_M12.nii.gz").unlink()
    parted = read_folder(tmp_path / "written", table="manifest.tsv")
    assert parted.set_index("participant_id")["pair"].get("p8") is np.nan
    rows = (tmp_path / "written" / "manifest.tsv").read_text()
    (tmp_path / "written" / "manifest.tsv").write_text(rows.replace("p9_M12.nii.gz\tM00", "p9_M12.nii.gz\tM24"))
    with pytest.raises(ValueError, match="pairs M00 of p9 with M12, but not M12 with M00"):
        read_folder(tmp_path / "written", table="manifest.tsv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {**COLUMNS, "group": "Group"}}, "columns names group, which a manifest does not have"),
        ({"columns": {**COLUMNS, "sex": "Gender"}}, "people.csv lacks the column Gender, which columns names"),
        ({"columns": {"participant_id": "Subject", "image": "File"}}, "people.csv lacks the column label"),
        ({"classes": None}, r"gives p0 the label 'Control': accepted are integers .* Control \(4\), patient \(4\); classes"),
        ({"classes": [["control"], ["case"]]}, r"no scan of class 1 case in the split train.* control, case: patient \(4\)"),
        ({"classes": [["HC"], ["PT"]]}, r"no scan that can be used; .* than HC, PT: Control \(4\), patient \(4\)"),
        ({"table": "absent.csv"}, "absent.csv does not exist"),
        ({"table": "scans/s0.nii.gz"}, "s0.nii.gz is no table: accepted are files ending in .tsv, .csv"),
        ({"columns": {**COLUMNS, "age": "Group"}}, "gives p0 the age 'Control': accepted are numbers"),
    ],
)
def test_errors_say_what_is_accepted(cohort: Path, options, message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read(cohort, **options)


def test_the_same_scan_of_two_participants_is_refused(cohort: Path) -> None:
    (cohort / "scans" / "s3.nii.gz").write_bytes((cohort / "scans" / "s0.nii.gz").read_bytes())
    with pytest.raises(ValueError, match=r"s0.nii.gz of p0 \(.*\) and .*s3.nii.gz of p3 \(.*\) are the same image"):
        read(cohort)


def test_participants_are_found_with_and_without_their_prefix(cohort: Path, make_scan) -> None:
    for index in range(8):
        make_scan(cohort / f"sub-p{index}" / "anat" / f"sub-p{index}_T1w.nii.gz")
        (cohort / f"sub-p{index}" / "anat" / f"._sub-p{index}_T1w.nii.gz").touch()
    columns = {name: column for name, column in COLUMNS.items() if name != "image"}
    for pattern in ("{participant_id}/anat/*_T1w.nii.gz", "sub-{participant_id}/anat/*"):
        assert len(read(cohort, columns=columns, image_pattern=pattern)) == 8


def test_splits_of_a_table_hold_with_and_without_prefix(cohort: Path, write_table) -> None:
    rows = [f"sub-p{index} {['train', 'validation', 'test', 'Train'][index // 2]}" for index in range(8)]
    table = write_table(cohort / "splits.csv", "participant_id split", *rows)
    assert sorted(read(cohort, splitting=Splitting(table=table))["split"]) == ["test"] * 2 + ["train"] * 4 + ["validation"] * 2


@pytest.mark.parametrize("used", ["stratification", "classes", "nothing"])
def test_a_bad_age_is_refused_where_ages_are_used(cohort: Path, used: str, caplog) -> None:
    table, splits = cohort / "people.csv", ["split", *["train"] * 4, *["validation"] * 4]
    lines = table.read_text().replace(",50,", ",old,").splitlines()
    if used == "nothing":
        lines = [f"{line},{split}" for line, split in zip(lines, splits, strict=True)]
    table.write_text("\n".join(lines))
    options = {"age_classes": [[50, 52], [54, 60]]} if used == "classes" else {}
    if used == "nothing":
        assert read(cohort, **options)["age"].isna().sum() == 1 and "count as missing (first: 'old' of p0)" in caplog.text
    else:
        with pytest.raises(ValueError, match="people.csv gives p0 the age 'old': accepted are numbers"):
            read(cohort, **options)


def test_a_dead_link_is_left_out_by_name(cohort: Path) -> None:
    (cohort / "scans" / "s0.nii.gz").unlink()
    (cohort / "scans" / "s0.nii.gz").symlink_to("nowhere")
    assert read(cohort).attrs[EXCLUSIONS] == [("p0", "n/a", DEAD)]


def test_a_table_of_excel_in_german_is_read(cohort: Path) -> None:
    table = cohort / "people.csv"
    table.write_bytes(table.read_text().replace(",", ";").replace(";50;", ";50,5;").encode("utf-16"))
    assert read(cohort).set_index("participant_id")["age"]["p0"] == 50.5
