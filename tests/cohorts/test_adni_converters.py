"""Who converts and who returns follows from all visits of ADNI, with and without a usable scan."""

import json
from pathlib import Path

import pandas as pd
import pytest

from bundle.cohorts import Splitting, read_adni
from bundle.cohorts.manifests import EXCLUSIONS

HALVES = Splitting(fractions=(0.5, 0.25, 0.25), least=1)
CONVERTER = [("061S0001", 0, "MCI"), ("061S0001", 24, "AD"), ("061S0001", 36, "AD")]
REVERTER = [("062S0001", 0, "MCI"), ("062S0001", 24, "AD"), ("062S0001", 36, "MCI")]
UNPAIRED = "of a converter without usable scans of both classes"
RETURNED = "of a participant who returns to an earlier class"


def sessions_of(manifest: pd.DataFrame, participant: str) -> list[list[object]]:
    rows = manifest[manifest["participant_id"] == f"sub-ADNI{participant}"]
    return rows[["session_id", "label", "split"]].to_numpy().tolist()


def hide_scans(folder: Path, table: Path, how: str, participant: str, months: list[int]) -> None:
    """Make the scans of some visits unusable: gone, or of 1.5 T by the table or the file beside each."""
    names = [f"sub-ADNI{participant}_ses-M{month:03d}_T1w.nii.gz" for month in months]
    if how == "1.5 T" and table.suffix == ".csv":
        rows = pd.read_csv(table)
        codes = [f"m{month:02d}" if month else "bl" for month in months]
        there = (rows["PTID"] == participant.replace("S", "_S_")) & rows["VISCODE"].isin(codes)
        rows.assign(FLDSTRENG=rows["FLDSTRENG"].mask(there, "1.5 Tesla MRI")).to_csv(table, index=False)
    for scan in list(folder.rglob("*_T1w.nii.gz")):
        if how == "missing" and scan.name in names:
            scan.unlink()
        if how == "1.5 T" and table.is_dir():
            strength = 1.5 if scan.name in names else 3.0
            Path(str(scan).replace(".nii.gz", ".json")).write_text(json.dumps({"MagneticFieldStrength": strength}))


@pytest.mark.parametrize("held_out", ["converters", "everyone"])
@pytest.mark.parametrize("how", ["missing", "1.5 T"])
@pytest.mark.parametrize("source", ["bids", "adnimerge"])
@pytest.mark.parametrize(("hidden", "left"), [([24, 36], "ses-M000"), ([0], "ses-M024")])
def test_a_converter_without_a_pair_of_usable_scans_is_not_taken_for_stable(
    make_bids, visits, write_adnimerge, tmp_path: Path, source, how, hidden: list[int], left: str, held_out: str
) -> None:
    everyone = [*visits, *CONVERTER]
    folder = make_bids(everyone)
    labels = folder if source == "bids" else write_adnimerge(tmp_path / "ADNIMERGE.csv", everyone)
    hide_scans(folder, labels, how, "061S0001", hidden)
    options = {"labels": labels, "held_out": held_out, "splitting": HALVES}
    manifest = read_adni(folder, **options)
    assert not sessions_of(manifest, "061S0001")
    assert ("sub-ADNI061S0001", left, UNPAIRED) in manifest.attrs[EXCLUSIONS]
    assert len(manifest) == 24


@pytest.mark.parametrize("how", ["missing", "1.5 T"])
@pytest.mark.parametrize("source", ["bids", "adnimerge"])
def test_a_return_counts_whether_it_was_scanned_or_not(make_bids, visits, write_adnimerge, tmp_path: Path, source, how) -> None:
    everyone = [*visits, *REVERTER]
    folder = make_bids(everyone)
    labels = folder if source == "bids" else write_adnimerge(tmp_path / "ADNIMERGE.csv", everyone)
    hide_scans(folder, labels, how, "062S0001", [36])
    manifest = read_adni(folder, labels=labels)
    assert not sessions_of(manifest, "062S0001")
    assert [reason for _, _, reason in manifest.attrs[EXCLUSIONS]].count(RETURNED) == 2


def test_a_return_to_a_diagnosis_of_no_class_counts(make_bids, visits) -> None:
    manifest = read_adni(make_bids([*visits, ("063S0001", 0, "LMCI"), ("063S0001", 12, "CN"), ("064S0001", 0, "EMCI")]))
    assert not sessions_of(manifest, "063S0001") and sessions_of(manifest, "064S0001")
    assert ("sub-ADNI063S0001", "ses-M000", RETURNED) in manifest.attrs[EXCLUSIONS]


def test_a_table_of_splits_takes_converters_without_a_pair(make_bids, visits, write_table, tmp_path: Path) -> None:
    everyone = [*visits, *CONVERTER]
    folder = make_bids(everyone)
    hide_scans(folder, folder, "missing", "061S0001", [24, 36])
    splits = {person: "test" if person.startswith("03") else "train" for person, _, _ in everyone}
    rows = [f"sub-ADNI{person} {split}" for person, split in splits.items()]
    table = write_table(tmp_path / "splits.tsv", "participant_id split", *rows)
    assert sessions_of(read_adni(folder, splitting=Splitting(table=table)), "061S0001") == [["ses-M000", 0, "train"]]
