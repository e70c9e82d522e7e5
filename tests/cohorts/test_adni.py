"""ADNI in BIDS, CAPS and flat folders, with labels from BIDS, ADNIMERGE and TSV."""

import json
from pathlib import Path

import pandas as pd
import pytest

from bundle.cohorts import Splitting, read_adni, write_manifest
from bundle.cohorts.manifests import EXCLUSIONS
from bundle.data import read_manifest
from bundle.data.discovery import DEAD
from bundle.preprocessing.sources import find_raw_scans

HALVES = Splitting(fractions=(0.5, 0.25, 0.25), least=1)


def reasons(manifest: pd.DataFrame) -> dict[str, int]:
    return pd.Series([reason for _, _, reason in manifest.attrs[EXCLUSIONS]], dtype=object).value_counts().to_dict()


def rows_of(manifest: pd.DataFrame, participant: str) -> pd.DataFrame:
    return manifest[manifest["participant_id"] == f"sub-ADNI{participant}"]


def test_converters_alone_are_held_out_and_paired(make_bids, visits) -> None:
    manifest = read_adni(make_bids(visits))
    held_out = manifest[manifest["split"] != "train"]
    assert set(held_out["participant_id"]) == {f"sub-ADNI03{i}S0001" for i in range(4)}
    assert held_out["split"].value_counts().to_dict() == {"validation": 4, "test": 4}
    for _, rows in held_out.groupby("participant_id"):
        assert rows[["session_id", "label", "pair"]].to_numpy().tolist() == [
            ["ses-M000", 0, "ses-M024"],
            ["ses-M024", 1, "ses-M000"],
        ]


def test_training_has_one_session_of_each_stable_participant(make_bids, visits) -> None:
    train = read_adni(make_bids(visits)).query("split == 'train'")
    assert len(train) == train["participant_id"].nunique() == 16
    assert train["label"].value_counts().to_dict() == {0: 8, 1: 8}
    assert set(train["session_id"]) == {"ses-M000"}
    assert train["pair"].isna().all()


def test_all_sessions_on_request(make_bids, visits) -> None:
    manifest = read_adni(make_bids(visits), sessions="all")
    assert len(manifest.query("split == 'train'")) == 32
    assert len(manifest.query("split != 'train'")) == 8


def test_everyone_may_be_held_out(make_bids, visits) -> None:
    manifest = read_adni(make_bids(visits), held_out="everyone", splitting=HALVES)
    stable = manifest[manifest["pair"].isna()]
    assert stable.groupby(["split", "label"]).size().to_dict() == {
        ("train", 0): 4, ("train", 1): 4, ("validation", 0): 2, ("validation", 1): 2, ("test", 0): 2, ("test", 1): 2,
    }  # fmt: skip
    assert "train" not in set(manifest.loc[manifest["pair"].notna(), "split"])


def test_every_row_left_out_has_a_reason(make_bids, visits) -> None:
    manifest = read_adni(make_bids(visits))
    assert reasons(manifest) == {
        "of another diagnosis than MCI, AD: CN (3)": 3,
        "another session of the participant": 16 + 2 * 4,
    }
    assert len(manifest) + len(manifest.attrs[EXCLUSIONS]) == len(visits)


def test_age_and_sex_come_from_the_tables(make_bids, visits) -> None:
    rows = rows_of(read_adni(make_bids(visits)), "030S0001")
    assert rows["age"].tolist() == [70.0, 72.0]
    assert set(rows["sex"]) == {"M"}


def test_baseline_age_of_participants_is_brought_to_the_visit(make_bids, visits, write_table) -> None:
    folder = make_bids(visits)
    for table in folder.glob("sub-*/*_sessions.tsv"):
        pd.read_csv(table, sep="\t").drop(columns="age").to_csv(table, sep="\t", index=False)
    people = pd.read_csv(folder / "participants.tsv", sep="\t").assign(age_bl=60.0)
    people.to_csv(folder / "participants.tsv", sep="\t", index=False)
    assert rows_of(read_adni(folder), "030S0001")["age"].tolist() == [60.0, 62.0]


def test_three_classes(make_bids, visits) -> None:
    more = [(f"04{i}S0001", 0, "CN") for i in range(2)] + [("050S0001", 0, "CN"), ("050S0001", 12, "MCI"), ("050S0001", 24, "AD")]
    manifest = read_adni(make_bids([*visits, *more]), classes=[["CN"], ["MCI"], ["Dementia"]], num_classes=3)
    assert manifest.query("split == 'train'")["label"].value_counts().to_dict() == {0: 5, 1: 8, 2: 8}
    assert rows_of(manifest, "050S0001")[["label", "pair"]].to_numpy().tolist() == [[0, "ses-M024"], [2, "ses-M000"]]


def test_number_of_classes_must_be_the_networks(make_bids, visits) -> None:
    with pytest.raises(ValueError, match="classes lists 3 groups, but num_classes is 2"):
        read_adni(make_bids(visits), classes=[["CN"], ["MCI"], ["AD"]], num_classes=2)


def test_participants_who_return_to_an_earlier_class_are_left_out(make_bids, visits) -> None:
    manifest = read_adni(make_bids([*visits, ("060S0001", 0, "AD"), ("060S0001", 12, "MCI")]))
    assert rows_of(manifest, "060S0001").empty
    assert reasons(manifest)["of a participant who returns to an earlier class"] == 2


def test_missing_sessions_are_reported_on_both_sides(make_bids, visits) -> None:
    folder = make_bids(visits)
    next((folder / "sub-ADNI000S1000" / "ses-M000").rglob("*.nii.gz")).unlink()
    (folder / "sub-ADNI001S1001" / "sub-ADNI001S1001_sessions.tsv").unlink()
    manifest = read_adni(folder)
    assert rows_of(manifest, "000S1000")["session_id"].tolist() == ["ses-M012"]
    assert ("sub-ADNI000S1000", "ses-M000", "in the table, without a scan") in manifest.attrs[EXCLUSIONS]
    assert reasons(manifest)["scan without a row in the table"] == 2


def test_a_second_scan_of_a_session_is_left_out(make_bids, visits, make_scan) -> None:
    folder = make_bids(visits)
    anat = folder / "sub-ADNI000S1000" / "ses-M000" / "anat"
    make_scan(anat / "sub-ADNI000S1000_ses-M000_run-02_T1w.nii.gz")
    make_scan(anat / "sub-ADNI000S1000_ses-M000_FLAIR.nii.gz")
    manifest = read_adni(folder)
    assert rows_of(manifest, "000S1000")["image"].item().endswith("sub-ADNI000S1000_ses-M000_T1w.nii.gz")
    assert reasons(manifest)["another scan of the same session"] == 1


def test_equal_rows_are_merged_and_others_refused(make_bids, visits) -> None:
    folder = make_bids(visits)
    table = folder / "sub-ADNI000S1000" / "sub-ADNI000S1000_sessions.tsv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]) + "\n")
    assert reasons(read_adni(folder))["repeated row, merged"] == 1
    table.write_text("\n".join([*lines, lines[1].replace("MCI", "AD")]) + "\n")
    with pytest.raises(ValueError, match="has rows for sub-ADNI000S1000 ses-M000 that differ in diagnosis"):
        read_adni(folder)


@pytest.mark.parametrize("source", ["sessions", "sidecar", "scans"])
def test_other_field_strengths_are_left_out_where_known(make_bids, visits, write_table, source: str) -> None:
    folder = make_bids(visits)
    for scan in folder.rglob("*_T1w.nii.gz"):
        strength = 1.5 if "000S1000" in scan.name else 2.8936
        if source == "sidecar":
            Path(str(scan).replace(".nii.gz", ".json")).write_text(json.dumps({"MagneticFieldStrength": strength}))
        if source == "scans":
            name = scan.name.replace("_T1w.nii.gz", "_scans.tsv")
            write_table(scan.parent.parent / name, "filename mri_field", f"anat/{scan.name} {strength}")
    for table in folder.rglob("*_sessions.tsv") if source == "sessions" else ():
        strength = "1.5" if "000S1000" in table.name else "3T"
        pd.read_csv(table, sep="\t").assign(field_strength=strength).to_csv(table, sep="\t", index=False)
    manifest = read_adni(folder)
    assert rows_of(manifest, "000S1000").empty
    assert reasons(manifest)["of another field strength than 3 T"] == 2
    assert len(rows_of(read_adni(folder, field_strength=None), "000S1000")) == 1


def test_unknown_field_strengths_count_when_others_are_known(make_bids, visits) -> None:
    folder = make_bids(visits)
    for scan in folder.rglob("*_T1w.nii.gz"):
        if "000S1000" not in scan.name:
            Path(str(scan).replace(".nii.gz", ".json")).write_text('{"MagneticFieldStrength": 3}')
    assert reasons(read_adni(folder))["of unknown field strength"] == 2


@pytest.mark.parametrize("layout", ["caps", "caps-uncropped"])
def test_caps_takes_its_labels_from_bids(make_bids, visits, layouts, layout: str) -> None:
    bids = make_bids(visits, scans=False)
    manifest = read_adni(layouts.make_caps(visits), layout=layout, labels=bids)
    assert len(manifest) == 16 + 8
    assert all(("desc-Crop" in image) == (layout == "caps") for image in manifest["image"])


def test_caps_takes_its_labels_from_a_table_with_short_sessions(visits, layouts, write_table) -> None:
    folder = layouts.make_caps(visits, crops=["desc-Crop_"])
    rows = [f"sub-ADNI{person} ses-M{months:02d} {diagnosis} 71.5 F" for person, months, diagnosis in visits]
    write_table(folder / "labels.tsv", "participant_id session_id diagnosis age sex", *rows)
    manifest = read_adni(folder, layout="caps")
    assert len(manifest) == 16 + 8
    assert set(manifest["age"]) == {71.5} and set(manifest["session_id"]) == {"ses-M000", "ses-M024"}


def test_flat_names_take_their_labels_from_adnimerge(visits, make_scan, write_adnimerge, tmp_path: Path) -> None:
    for person, months, _ in visits:
        make_scan(tmp_path / "scans" / f"{person.replace('S', '_S_')}_{f'm{months:02d}' if months else 'bl'}.nii.gz")
    make_scan(tmp_path / "scans" / "template.nii.gz")
    write_adnimerge(tmp_path / "ADNIMERGE.csv", visits)
    manifest = read_adni(tmp_path, layout="flat")
    assert len(manifest) == 16 + 8
    rows = rows_of(manifest, "030S0001")
    assert rows["session_id"].tolist() == ["ses-M000", "ses-M024"]
    assert rows["age"].tolist() == pytest.approx([68.5, 68.5 + 730 / 365.25])
    assert set(rows["sex"]) == {"F"}
    assert reasons(manifest)["without an ADNI identifier in the name"] == 1


def test_downloads_are_matched_with_visits_by_their_day(visits, make_scan, write_adnimerge, tmp_path: Path) -> None:
    for person, months, _ in visits:
        name, day = person.replace("S", "_S_"), f"{2010 + months // 12}-0{1 + months % 12}-28_08_20_30.0"
        file = f"ADNI_{name}_MR_MPRAGE_Br_20070112121212_S1_I{months}.nii"
        make_scan(tmp_path / "ADNI" / name / "MPRAGE" / day / f"I{months}" / file)
    write_adnimerge(tmp_path / "ADNIMERGE.csv", visits)
    manifest = read_adni(tmp_path, layout="flat")
    assert rows_of(manifest, "030S0001")["session_id"].tolist() == ["ses-M000", "ses-M024"]
    assert len(manifest) == 16 + 8


def test_scans_far_from_every_visit_are_left_out(visits, make_scan, write_adnimerge, tmp_path: Path) -> None:
    for person, months, _ in visits:
        make_scan(tmp_path / f"{person.replace('S', '_S_')}_{f'm{months:02d}' if months else 'bl'}.nii.gz")
    make_scan(tmp_path / "000_S_1000" / "2016-05-01_08_20_30.0" / "scan.nii")
    write_adnimerge(tmp_path / "ADNIMERGE.csv", visits)
    assert reasons(read_adni(tmp_path, layout="flat"))["scan without a session in its path"] == 1


def test_bids_takes_its_labels_from_adnimerge(make_bids, visits, write_adnimerge, tmp_path: Path) -> None:
    manifest = read_adni(make_bids(visits), labels=write_adnimerge(tmp_path / "ADNIMERGE.csv", visits))
    assert rows_of(manifest, "030S0001")["label"].tolist() == [0, 1]


def test_the_written_manifest_is_read_back(make_bids, visits, tmp_path: Path) -> None:
    manifest = read_adni(make_bids(visits))
    path = write_manifest(manifest, tmp_path / "out" / "manifest.tsv")
    pd.testing.assert_frame_equal(read_manifest(path.parent), manifest, check_dtype=False)
    left_out = pd.read_csv(tmp_path / "out" / "manifest_exclusions.tsv", sep="\t")
    assert len(left_out) == len(manifest.attrs[EXCLUSIONS])


def test_preparation_takes_the_written_manifest(make_bids, visits, tmp_path: Path) -> None:
    manifest = read_adni(make_bids(visits))
    scans = find_raw_scans(write_manifest(manifest, tmp_path / "out" / "manifest.tsv"))
    assert scans["raw_image"].tolist() == manifest["image"].tolist()
    kept = ["participant_id", "session_id", "split", "pair", "sex", "diagnosis"]
    pd.testing.assert_frame_equal(scans[kept], manifest[kept], check_dtype=False)
    assert scans["label"].astype(int).tolist() == manifest["label"].tolist()


def test_counts_are_logged(make_bids, visits, caplog) -> None:
    with caplog.at_level("INFO"):
        read_adni(make_bids(visits))
    assert "24 scans of 20 participants" in caplog.text
    assert "    24  another session of the participant" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "dicom"}, "layout must be one of bids, caps, caps-uncropped or flat, got 'dicom'"),
        ({"layout": "caps"}, "holds no scan of the layout caps: looked for subjects/sub-"),
        ({"classes": [["MCI"], ["ADX"]]}, "has no scan of class 1 ADX in the split train"),
        ({"classes": [["MCI"], ["AD", "MCI"]]}, "classes lists MCI in two groups"),
        ({"classes": [["MCI"]]}, "classes must list two groups or more"),
        ({"sessions": "last"}, "sessions must be one of first, all, got 'last'"),
        ({"held_out": "nobody"}, "held_out must be one of converters or everyone, got 'nobody'"),
        ({"field_strength": 7.0}, "ADNI has no scan that can be used; excluded: "),
        ({"labels": "absent.tsv"}, "absent.tsv does not exist"),
    ],
)
def test_errors_say_what_is_accepted(make_bids, visits, options, message: str) -> None:
    folder = make_bids(visits)
    Path(str(next(folder.rglob("*T1w.nii.gz"))).replace(".nii.gz", ".json")).write_text('{"MagneticFieldStrength": 3}')
    if options.get("field_strength") is None:
        options = {"field_strength": None, **options}
    if options.get("classes") == [["MCI"], ["ADX"]]:
        options = {**options, "held_out": "everyone"}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_adni(folder, **options)


def test_without_converters_there_is_nobody_to_test_on(make_bids, visits) -> None:
    with pytest.raises(ValueError, match="nobody to validate and test on: with held_out everyone"):
        read_adni(make_bids([visit for visit in visits if not visit[0].startswith("03")]))


def test_a_table_without_diagnosis_is_refused(make_bids, visits) -> None:
    folder = make_bids(visits)
    table = folder / "sub-ADNI000S1000" / "sub-ADNI000S1000_sessions.tsv"
    table.write_text(table.read_text().replace("diagnosis", "dx_score"))
    message = r"lacks the column diagnosis or DX \(diagnosis\): its columns are session_id, age, dx_score"
    with pytest.raises(ValueError, match=message):
        read_adni(folder)


def test_a_folder_without_labels_is_refused(make_bids, visits, tmp_path: Path, make_scan) -> None:
    make_scan(tmp_path / "bare" / "sub-1" / "ses-M000" / "anat" / "sub-1_ses-M000_T1w.nii.gz")
    with pytest.raises(FileNotFoundError, match="holds no labels: accepted as labels are a BIDS folder"):
        read_adni(tmp_path / "bare")


@pytest.mark.parametrize("form", ["%m/%d/%Y", "%d.%m.%Y"])
def test_days_in_the_formats_of_excel_are_read(make_bids, visits, write_adnimerge, tmp_path: Path, form: str) -> None:
    table = write_adnimerge(tmp_path / "ADNIMERGE.csv", visits)
    rows = pd.read_csv(table)
    for name in ("EXAMDATE", "EXAMDATE_bl"):
        rows[name] = pd.to_datetime(rows[name]).dt.strftime(form)
    rows.to_csv(table, index=False)
    manifest = read_adni(make_bids(visits), labels=table)
    assert rows_of(manifest, "030S0001")["age"].tolist() == pytest.approx([68.5, 68.5 + 730 / 365.25])


@pytest.mark.parametrize("code", ["y1", "uns1", "v21"])
def test_codes_that_are_no_months_have_the_month_of_their_day(
    make_bids, visits, write_adnimerge, tmp_path: Path, code: str
) -> None:
    table = write_adnimerge(tmp_path / "ADNIMERGE.csv", visits)
    table.write_text(table.read_text().replace(",m24,", f",{code},"))
    assert rows_of(read_adni(make_bids(visits), labels=table), "030S0001")["pair"].tolist() == ["ses-M024", "ses-M000"]


def test_codes_that_are_no_months_are_left_out_by_name_where_there_is_no_day(layouts, visits, write_table) -> None:
    folder = layouts.make_caps(visits)
    names = {0: "bl", 6: "m06", 12: "M12", 24: "y1", 36: "4_bl"}
    rows = [f"{person.replace('S', '_S_')} {names[months]} {diagnosis}" for person, months, diagnosis in visits]
    write_table(folder / "labels.tsv", "participant_id session_id diagnosis", *rows)
    manifest = read_adni(folder, layout="caps", held_out="everyone", splitting=HALVES)
    assert reasons(manifest)["visit y1, which is no month since baseline"] == 4
    assert reasons(manifest)["visit 4_bl, which is no month since baseline"] == 4
    assert reasons(manifest)["scan without a row in the table"] == 8


def test_a_screening_beside_a_baseline_is_left_out_and_its_scan_is_the_baselines(
    visits, make_scan, write_adnimerge, tmp_path
) -> None:
    for person, months, _ in visits:
        make_scan(tmp_path / "scans" / f"{person.replace('S', '_S_')}_{f'm{months:02d}' if months else 'sc'}.nii.gz")
    table = write_adnimerge(tmp_path / "ADNIMERGE.csv", visits)
    table.write_text(table.read_text() + "1,030_S_0001,sc,2009-12-20,2010-01-15,68.5,Female,LMCI,MCI,25,3 Tesla MRI\n")
    manifest = read_adni(tmp_path, layout="flat")
    assert rows_of(manifest, "030S0001")["session_id"].tolist() == ["ses-M000", "ses-M024"]
    assert reasons(manifest)["visit sc, which is no month since baseline"] == 1


def test_dead_links_and_hidden_files_among_scans_are_left_out_by_name(make_bids, visits) -> None:
    folder = make_bids(visits)
    scan = folder / "sub-ADNI000S1000/ses-M000/anat/sub-ADNI000S1000_ses-M000_T1w.nii.gz"
    scan.unlink()
    scan.symlink_to("nowhere")
    (scan.parent / f"._{scan.name}").write_bytes(b"x")
    manifest = read_adni(folder)
    assert ("sub-ADNI000S1000", "ses-M000", DEAD) in manifest.attrs[EXCLUSIONS]
    assert rows_of(manifest, "000S1000")["session_id"].tolist() == ["ses-M012"]


def test_participants_without_prefix_are_joined(make_bids, visits) -> None:
    folder = make_bids(visits)
    table = folder / "participants.tsv"
    table.write_text(table.read_text().replace("sub-", ""))
    assert set(read_adni(folder)["sex"]) == {"F", "M"}


def test_missing_field_strengths_of_adni_are_no_field_strengths(make_bids, visits, write_adnimerge, tmp_path: Path) -> None:
    table = write_adnimerge(tmp_path / "ADNIMERGE.csv", visits)
    table.write_text(table.read_text().replace("3 Tesla MRI", "-4", 1))
    assert reasons(read_adni(make_bids(visits), labels=table))["of unknown field strength"] == 1
