"""UK Biobank: archives and folders, visits, ages and unusable scans."""

from pathlib import Path

import nibabel
import pandas as pd
import pytest
from tiny_layouts import TinyLayouts

from bundle.cohorts import Splitting, read_ukbiobank
from bundle.cohorts.manifests import EXCLUSIONS

HALVES = Splitting(fractions=(0.5, 0.25, 0.25), least=1)
HEADER = "eid 31-0.0 21003-0.0 21003-2.0 21003-3.0"
AGES = [45, 52, 58, 60, 70, 74, 79, 80]
PEOPLE = [str(1000001 + index) for index in range(len(AGES))]


@pytest.fixture
def cohort(layouts: TinyLayouts) -> Path:
    """Four young and four old participants with an archive each."""
    assert layouts.make_ukbiobank(AGES) == PEOPLE
    return layouts.folder / "ukb"


def add_rows(cohort: Path, *rows: str) -> None:
    with (cohort / "ukb12345.csv").open("a") as file:
        file.writelines(",".join(row.split()) + "\n" for row in rows)


def reasons(manifest: pd.DataFrame) -> dict[str, list[str]]:
    table = pd.DataFrame(manifest.attrs[EXCLUSIONS], columns=["participant", "session", "reason"])
    return table.groupby("reason")["participant"].agg(list).to_dict()


def test_classes_are_made_of_the_age_at_imaging(cohort: Path) -> None:
    manifest = read_ukbiobank(cohort, splitting=HALVES).sort_values("participant_id")
    assert manifest["label"].tolist() == [0] * 4 + [1] * 4
    assert manifest["age"].tolist() == AGES
    assert manifest["sex"].tolist() == ["F", "M"] * 4
    assert set(manifest["session_id"]) == {"ses-2"}
    assert set(manifest["split"]) == {"train", "validation", "test"}


def test_scans_are_extracted_from_archives_once(cohort: Path) -> None:
    manifest = read_ukbiobank(cohort, splitting=HALVES)
    images = [Path(path) for path in manifest["image"]]
    assert all(path == cohort / "extracted" / f"{path.parent.parent.name}" / "T1" / "T1.nii.gz" for path in images)
    assert all(nibabel.load(path).shape == (8, 8, 8) for path in images)
    times = [path.stat().st_mtime_ns for path in images]
    again = read_ukbiobank(cohort, splitting=HALVES)
    pd.testing.assert_frame_equal(again, manifest)
    assert [path.stat().st_mtime_ns for path in images] == times


def test_only_the_named_file_is_extracted_into_the_named_folder(cohort: Path, tmp_path: Path, make_zip) -> None:
    make_zip(cohort / "bulk" / f"{PEOPLE[0]}_20252_2_0.zip", "../../evil/T1.nii.gz", "T1/T1_brain.nii.gz")
    read_ukbiobank(cohort, splitting=HALVES, scan="T1/T1_brain.nii.gz", extract_dir=tmp_path / "scans")
    written = {path.relative_to(tmp_path / "scans").as_posix() for path in (tmp_path / "scans").rglob("*") if path.is_file()}
    assert written == {f"{person}_20252_2_0/T1/T1_brain.nii.gz" for person in PEOPLE}
    assert not list(tmp_path.rglob("evil"))
    assert not (cohort / "extracted").exists()


def test_unpacked_folders_are_read_where_they_lie(cohort: Path, make_scan) -> None:
    image = make_scan(cohort / "unpacked" / f"{PEOPLE[0]}_20252_2_0" / "T1" / "T1.nii.gz")
    (cohort / "bulk" / f"{PEOPLE[0]}_20252_2_0.zip").unlink()
    manifest = read_ukbiobank(cohort, splitting=HALVES)
    assert manifest.set_index("participant_id").loc[PEOPLE[0], "image"] == str(image)


def test_unusable_scans_are_left_out(cohort: Path, make_zip, make_scan) -> None:
    add_rows(cohort, "2000001 0 60 50 NA", "2000002 0 60 51 NA", "2000003 0 60 52 NA", "2000004 0 60 53 NA", "2000005 0 60 54 NA")
    make_zip(cohort / "bulk" / "2000001_20252_2_0.zip", "T1/unusable/T1.nii.gz")
    make_zip(cohort / "unusable" / "2000002_20252_2_0.zip", "T1/T1.nii.gz")
    make_scan(cohort / "bulk" / "2000003_20252_2_0" / "unusable" / "T1" / "T1.nii.gz")
    make_zip(cohort / "bulk" / "2000004_20252_2_0.zip", "T1/T1_brain.nii.gz")
    (cohort / "bulk" / "2000005_20252_2_0.zip").write_bytes(b"PK no archive")
    manifest = read_ukbiobank(cohort, splitting=HALVES)
    assert len(manifest) == 8
    assert {reason: sorted(people) for reason, people in reasons(manifest).items()} == {
        "marked unusable": ["2000001", "2000002", "2000003"],
        "without T1/T1.nii.gz": ["2000004"],
        "damaged archive": ["2000005"],
    }


def test_the_first_usable_visit_is_taken(cohort: Path, make_zip) -> None:
    add_rows(cohort, "2000001 0 60 50 53", "2000002 1 60 65 71", "2000003 1 60 72 76")
    for person, instances in (("2000001", (2, 3)), ("2000002", (2, 3)), ("2000003", (2, 3))):
        for instance in instances:
            name = "T1/unusable/T1.nii.gz" if (person, instance) == ("2000003", 2) else "T1/T1.nii.gz"
            make_zip(cohort / "bulk" / f"{person}_20252_{instance}_0.zip", name)
    first = read_ukbiobank(cohort, splitting=HALVES).set_index("participant_id").loc[["2000001", "2000002", "2000003"]]
    assert first["session_id"].tolist() == ["ses-2", "ses-3", "ses-3"]
    assert first["age"].tolist() == [50, 71, 76] and first["label"].tolist() == [0, 1, 1]
    every = read_ukbiobank(cohort, splitting=HALVES, sessions="all")
    assert len(every) == 8 + 4
    assert every.groupby("participant_id")["split"].nunique().max() == 1


def test_ages_between_the_classes_and_unmatched_rows_are_reported(cohort: Path, make_zip) -> None:
    add_rows(cohort, "2000001 0 60 65 NA", "2000002 0 60 50 NA", "2000003 0 60 NA NA")
    for person in ("2000001", "3000001"):
        make_zip(cohort / "bulk" / f"{person}_20252_2_0.zip", "T1/T1.nii.gz")
    assert reasons(read_ukbiobank(cohort, splitting=HALVES)) == {
        "in the table, without a scan": ["2000002"],
        "scan without a row in the table": ["3000001"],
        "of an age outside 45 to 60 and 70 to 80 years": ["2000001"],
    }
    assert not (cohort / "extracted" / "2000001_20252_2_0").exists()


def test_other_classes_and_fields(cohort: Path, make_zip) -> None:
    for person in PEOPLE:
        make_zip(cohort / "bulk" / f"{person}_20253_2_0.zip", "T2_FLAIR/T2_FLAIR.nii.gz")
    options = {"field": 20253, "scan": "T2_FLAIR/T2_FLAIR.nii.gz", "classes": [[40, 59], [60, 74], [75, 80]]}
    manifest = read_ukbiobank(cohort, **options, splitting=Splitting(fractions=(1, 0, 0)), num_classes=3)
    assert manifest.sort_values("participant_id")["label"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert all("20253" in image for image in manifest["image"])


def test_names_of_the_research_analysis_platform(cohort: Path) -> None:
    table = cohort / "ukb12345.csv"
    renamed = HEADER.replace(" ", ","), "eid,p31,p21003_i0,p21003_i2,p21003_i3"
    table.write_text(table.read_text().replace(*renamed).replace(",0,", ",Female,").replace(",1,", ",Male,"))
    manifest = read_ukbiobank(cohort, splitting=HALVES).sort_values("participant_id")
    assert manifest["sex"].tolist() == ["F", "M"] * 4 and manifest["age"].tolist() == AGES


def test_equal_rows_are_merged_and_others_refused(cohort: Path) -> None:
    add_rows(cohort, f"{PEOPLE[0]} 0 36 45 NA")
    assert reasons(read_ukbiobank(cohort, splitting=HALVES)) == {"repeated row, merged": [PEOPLE[0]]}
    add_rows(cohort, f"{PEOPLE[0]} 0 36 46 NA")
    with pytest.raises(ValueError, match=f"has rows for {PEOPLE[0]} that differ in ses-2"):
        read_ukbiobank(cohort, splitting=HALVES)


def test_a_damaged_scan_in_an_archive_leaves_no_file(cohort: Path) -> None:
    archive = cohort / "bulk" / f"{PEOPLE[0]}_20252_2_0.zip"
    content = bytearray(archive.read_bytes())
    content[60:200] = bytes(140)
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=f"{PEOPLE[0]}_20252_2_0.zip is damaged"):
        read_ukbiobank(cohort, splitting=HALVES)
    folder = cohort / "extracted" / archive.stem / "T1"
    assert not folder.exists() or not list(folder.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": [[45, 60], [60, 80]]}, "classes overlap at 60 years"),
        ({"classes": [[60, 45], [70, 80]]}, r"classes must list first and last age of each class, .* got \[60, 45\]"),
        ({"classes": [[20, 30], [31, 40]]}, "UK Biobank has no scan that can be used; excluded: 8 of an age outside 20 to 30"),
        ({"num_classes": 3}, "classes lists 2 groups, but num_classes is 3"),
        ({"scan": "../T1.nii.gz"}, "scan must be the path of a NIfTI file inside the archives"),
        ({"scan": "/T1/T1.nii.gz"}, "scan must be the path of a NIfTI file inside the archives"),
        ({"field": 20216}, "holds no scan: looked for <eid>_20216_<instance>_0.zip"),
        ({"table": "absent.csv"}, "absent.csv does not exist"),
        ({"sessions": "second"}, "sessions must be one of first, all"),
    ],
)
def test_errors_say_what_is_accepted(cohort: Path, options, message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_ukbiobank(cohort, **options)


def test_a_folder_must_hold_one_table(cohort: Path) -> None:
    (cohort / "second.csv").write_bytes((cohort / "ukb12345.csv").read_bytes())
    with pytest.raises(ValueError, match="one table .* with a column eid, found second.csv, ukb12345.csv"):
        read_ukbiobank(cohort)
    assert len(read_ukbiobank(cohort, table=cohort / "second.csv", splitting=HALVES)) == 8


def test_a_table_without_the_age_at_imaging_is_refused(cohort: Path) -> None:
    table = cohort / "ukb12345.csv"
    table.write_text(table.read_text().replace("21003-2.0", "21003-1.0"))
    with pytest.raises(ValueError, match=r"lacks the column 21003-2.0 or f.21003.2.0 or p21003_i2"):
        read_ukbiobank(cohort)
