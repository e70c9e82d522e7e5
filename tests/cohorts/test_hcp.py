"""HCP: a folder a participant, labels from a table."""

from pathlib import Path

import pytest
from tiny_layouts import TinyLayouts

from bundle.cohorts import Splitting, read_hcp
from bundle.cohorts.manifests import EXCLUSIONS
from bundle.data.discovery import DEAD

PEOPLE = [str(100307 + index) for index in range(8)]
HALVES = Splitting(fractions=(0.5, 0.25, 0.25), least=1)


@pytest.fixture
def cohort(layouts: TinyLayouts, make_scan) -> Path:
    """Eight participants with both contrasts and a brain mask, and one without T2w."""
    folder = layouts.folder / "hcp"
    assert layouts.make_hcp(8) == PEOPLE
    make_scan(folder / "999999" / "MNINonLinear" / "T1w_restore_brain.nii.gz")
    (folder / "notes").mkdir()
    return folder


@pytest.mark.parametrize(("contrast", "count"), [("T1w", 9), ("T2w", 8)])
def test_without_labels_all_scans_are_controls(cohort: Path, contrast: str, count: int) -> None:
    manifest = read_hcp(cohort, contrast=contrast, splitting=HALVES)
    assert len(manifest) == count and set(manifest["label"]) == {0}
    assert all(image.endswith(f"MNINonLinear/{contrast}_restore_brain.nii.gz") for image in manifest["image"])
    assert manifest["brain_mask"].notna().sum() == 8


def test_labels_masks_and_splits_come_from_a_table(cohort: Path, make_scan, write_table, tmp_path: Path) -> None:
    splits = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    rows = []
    for index, (person, split) in enumerate(zip(PEOPLE, splits, strict=True)):
        make_scan(tmp_path / "tables" / f"{person}_lesion.nii.gz")
        mask = f"{person}_lesion.nii.gz" if index % 2 else "n/a"
        rows.append(f"{person} {'MF'[index % 2]} {25 + index} {index % 2} {split} {mask}")
    table = write_table(tmp_path / "tables" / "labels.tsv", "Subject Gender Age_in_Yrs label split mask", *rows)
    manifest = read_hcp(cohort, labels=table)
    assert manifest["label"].tolist() == [0, 1] * 4 and manifest["split"].tolist() == splits
    assert manifest["age"].tolist() == list(range(25, 33)) and manifest["sex"].tolist() == ["M", "F"] * 4
    assert manifest["mask"].notna().tolist() == [False, True] * 4
    assert all(Path(mask).is_file() for mask in manifest["mask"].dropna())


def test_scans_of_a_table_take_the_place_of_those_found(cohort: Path, make_scan, write_table, tmp_path: Path) -> None:
    lesioned = make_scan(tmp_path / "lesioned.nii.gz")
    rows = [f"{person} {index % 2} train {lesioned if index == 1 else 'n/a'}" for index, person in enumerate(PEOPLE)]
    table = write_table(tmp_path / "labels.tsv", "participant_id label split image", *rows)
    images = read_hcp(cohort, labels=table)["image"].tolist()
    assert images[1] == str(lesioned) and images[0].endswith("T2w_restore_brain.nii.gz")


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("participant_id label split", "100307 2 train", r"gives 100307 the label '2': accepted are integers from 0 to 1"),
        ("participant_id label split", "100307 0 dev", "puts 100307 in the split 'dev'"),
        ("participant_id label split", "100307 0 train", "HCP has no scan of class 1 in the split train"),
        ("participant_id label mask", "100307 1 absent.nii", "names a file that does not exist"),
        ("person label", "100307 1", r"lacks the column participant_id or Subject"),
    ],
)
def test_wrong_tables_are_refused(cohort: Path, write_table, tmp_path: Path, header: str, row: str, message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        read_hcp(cohort, labels=write_table(tmp_path / "labels.tsv", header, row), num_classes=2)


def test_errors_say_what_is_accepted(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="contrast must be T1w or T2w, got 'FLAIR'"):
        read_hcp(cohort, contrast="FLAIR")
    with pytest.raises(ValueError, match="holds no participant: looked for folders named by a number"):
        read_hcp(cohort / "notes")
    with pytest.raises(ValueError, match="HCP has no scan that can be used; excluded: 9 without T2w scan"):
        read_hcp(cohort, scan="T1w/absent.nii.gz")
    with pytest.raises(FileNotFoundError, match="dataset_dir .* does not exist"):
        read_hcp(tmp_path / "absent")


def test_labels_with_prefix_and_dead_links(cohort: Path, write_table, tmp_path: Path) -> None:
    scan = cohort / PEOPLE[0] / "MNINonLinear" / "T2w_restore_brain.nii.gz"
    scan.unlink()
    scan.symlink_to("nowhere")
    rows = [f"sub-{person} {index % 2} train" for index, person in enumerate(PEOPLE)]
    manifest = read_hcp(cohort, labels=write_table(tmp_path / "labels.tsv", "participant_id label split", *rows))
    assert manifest["participant_id"].tolist() == PEOPLE[1:]
    assert (PEOPLE[0], "n/a", DEAD) in manifest.attrs[EXCLUSIONS]
