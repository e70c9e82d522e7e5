"""BIDS: which folder is a dataset, and what a derivative of it is called and says of itself."""

import json
import multiprocessing
from pathlib import Path

import pytest
from bids_validation import DESCRIPTION, SCANS, save_dataset

from bundle.data.bids import (
    Derivative,
    find_derivative,
    find_root,
    is_described,
    name_derivative,
    read_description,
    write_camel_case,
    write_derivative,
)
from bundle.data.discovery import IMAGES, find_reason


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01/ses-M00/anat/sub-01_ses-M00_T1w", "sub-01/ses-M00/anat/sub-01_ses-M00_desc-faMean_T1w"),
        ("sub-01_acq-a_run-1_FLAIR", "sub-01_acq-a_run-1_desc-faMean_FLAIR"),
        ("sub-01_space-MNI152NLin6Asym_desc-preproc_T1w", "sub-01_space-MNI152NLin6Asym_desc-preprocFaMean_T1w"),
        ("anat/scan", "anat/desc-faMean_scan"),
    ],
)
def test_a_derivative_has_the_name_of_its_scan_with_a_description_before_the_suffix(name: str, expected: str) -> None:
    assert name_derivative(name, write_camel_case("fa_mean")) == expected


def test_images_of_a_scan_have_names_of_their_own_and_are_no_scans() -> None:
    names = [name_derivative(name, write_camel_case(key)) for name in (*SCANS, "sub-01_desc-x_T1w") for key in IMAGES]
    assert len(set(names)) == len(names)
    assert {find_reason(f"{Path(name).name}.nii.gz", ("_fa_mean",)) for name in names} == {"written by this bundle"}
    assert find_reason("sub-01_desc-preproc_T1w.nii.gz", ("_fa_mean",)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '"BIDSVersion"', '{"Name": "x"}'])
def test_a_folder_without_name_and_version_is_no_described_dataset(text: str, tmp_path: Path) -> None:
    assert read_description(tmp_path) == {}
    (tmp_path / "dataset_description.json").write_text(text)
    assert not is_described(tmp_path)


def test_the_dataset_of_a_folder_is_found(tmp_path: Path) -> None:
    study = tmp_path / "study"
    bids = save_dataset(study / "rawdata")
    for place in ("", "sub-01", "sub-01/ses-M00", "sub-01/ses-M00/anat", "sub-02/anat"):
        assert find_root(bids / place) == bids
    assert find_root(study) == bids and find_root(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("source", "output", "root", "base"),
    [
        ("bids", "maps", "maps", "bids"),
        ("bids", "bids/derivatives/icam", "bids/derivatives/icam", "bids"),
        ("bids/sub-01/ses-M00", "maps/sub-01/ses-M00", "maps", "bids/sub-01/ses-M00"),
        ("bids/sub-01", "maps/sub-01", "maps", "bids/sub-01"),
        ("bids/sub-01/ses-M00", "maps", "maps", "bids"),
        ("bids/sub-01/ses-M00", "maps/ses-M00", "maps/ses-M00", "bids"),
    ],
)
def test_a_session_in_a_folder_of_its_name_is_part_of_a_dataset(
    source: str, output: str, root: str, base: str, tmp_path: Path
) -> None:
    save_dataset(tmp_path / "bids")
    expected = Derivative(tmp_path / root, tmp_path / "bids", tmp_path / base)
    assert find_derivative(tmp_path / source, tmp_path / output) == expected


def test_a_source_is_named_by_its_place_in_the_dataset(tmp_path: Path) -> None:
    derivative = Derivative(tmp_path / "maps", tmp_path / "bids", tmp_path / "bids")
    assert derivative.cite(tmp_path / "bids" / "sub-01" / "a b_T1w.nii.gz") == "bids:raw:sub-01/a%20b_T1w.nii.gz"
    assert derivative.cite("/elsewhere/a.nii.gz") == "file:///elsewhere/a.nii.gz"


def test_writing_at_the_same_time_gives_what_one_gives_and_keeps_lines_of_others(tmp_path: Path) -> None:
    bids = save_dataset(tmp_path / "bids", SCANS[3:])
    (bids / "dataset_description.json").write_text(json.dumps({**DESCRIPTION, "DatasetDOI": "doi:10.1/x"}))
    contents = []
    for name in ("one", "many"):
        derivative = find_derivative(bids, tmp_path / name)
        derivative.root.mkdir()
        (derivative.root / ".bidsignore").write_text("*.mat\n")
        with multiprocessing.get_context("fork").Pool(4) as pool:
            pool.starmap(write_derivative, [(derivative, "Maps", ("*.html", "*.png"))] * (1 if name == "one" else 40))
        contents.append({path.name: path.read_text() for path in derivative.root.iterdir()})
    assert contents[0] == contents[1] and sorted(contents[0]) == [".bidsignore", "dataset_description.json"]
    assert contents[0][".bidsignore"] == "*.mat\n*.html\n*.png\n"
    description = json.loads(contents[0]["dataset_description.json"])
    assert description["Name"] == "Maps of tiny" and description["DatasetType"] == "derivative"
    assert description["SourceDatasets"] == [{"URL": bids.as_uri(), "DOI": "doi:10.1/x"}]
    assert description["DatasetLinks"] == {"raw": bids.as_uri()}
