"""Results of a BIDS dataset are a BIDS derivative: the official validator accepts it, and the images are those of plain names."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from bids_validation import SCANS, list_errors, save_dataset
from monai.bundle import ConfigParser
from tiny_scans import run

from bundle.attribution import describe_sampling
from bundle.attribution.conformal import calibrate, save_calibrations
from bundle.data.discovery import IMAGES, find_scan_files
from bundle.inference.results import Results

Make = Callable[..., ConfigParser]
RAW = {"bias_correction": False, "brain_extraction": False, "registration": False, "voxel_size": 4.0}
LIMITS = {"limits::brain_volume": [0, 1e9], "limits::template_correlation": -1, "limits::num_slices": 1}


def save_calibration(parser: ConfigParser, path: Path) -> str:
    """Save intervals for the network of a config."""
    inferer, zero = parser.get_parsed_content("inferer"), np.zeros(40)
    calibration = calibrate(zero, zero, np.linspace(-1, 1, 40), zero + 1, (0.5, 0.9), (1, 1))
    preprocessing = {name: parser[name] for name in ("pixdim", "plane", "percentile", "headroom")}
    origin = describe_sampling(inferer.source, inferer.augmentation, preprocessing)
    save_calibrations(path, {0: calibration, 1: calibration}, origin)
    return str(path)


@pytest.mark.slow
def test_the_validator_accepts_all_that_inference_can_write(spatial_dims: int, make_parser: Make, tmp_path: Path) -> None:
    bids, maps = save_dataset(tmp_path / "bids"), tmp_path / "bids" / "derivatives" / "icam"
    settings = {"dataset_dir": str(bids), "output_dir": str(maps), "regression": True, "num_samples": 2}
    parser = make_parser(spatial_dims, **settings)
    settings |= {
        "calibration": save_calibration(parser, tmp_path / "calibration.pt"),
        "target_value": 70,
        "overviews": spatial_dims == 2,
    }
    run(make_parser(spatial_dims, **settings, pages=True, reference_scan=str(bids / f"{SCANS[0]}.nii.gz")))
    assert list_errors(maps) == []

    results = Results(maps)
    rows = results.read_rows()
    assert [row["name"] for row in rows] == list(SCANS)
    for row in rows:
        for key in IMAGES:
            image = results.find_image(row, key)
            sidecar = json.loads(image.with_name(image.name.replace(".nii.gz", ".json")).read_text())
            assert sidecar["Sources"] == [f"bids:raw:{row['name']}.nii.gz"] and sidecar["Settings"]["num_samples"] == 2
            assert sidecar["Units"] and sidecar["Description"] and len(sidecar["Model"]["SHA256"]) == 64
            assert results.read_image(row, key).shape == nibabel.load(row["scan"]).shape
        assert results.name_page(row).is_file()
    description = json.loads((maps / "dataset_description.json").read_text())
    assert (maps / description["DatasetLinks"]["raw"]).resolve() == bids
    assert "70 years" in (maps / "logs" / "CITATION.md").read_text()

    (maps / "dataset_description.json").unlink()
    assert list_errors(maps), "the validator finds nothing wrong with a dataset that lacks its description"


@pytest.mark.slow
def test_images_are_those_of_plain_names_byte_for_byte(make_parser: Make, tmp_path: Path) -> None:
    bids = save_dataset(tmp_path / "bids", SCANS[2:])
    for layout in ("auto", "plain"):
        run(make_parser(dataset_dir=str(bids), output_dir=str(tmp_path / layout), layout=layout))
    derived, plain = Results(tmp_path / "auto"), Results(tmp_path / "plain")
    assert derived.is_derived and not plain.is_derived and not (tmp_path / "plain" / "dataset_description.json").exists()
    for row in plain.read_rows():
        for key in ("fa_mean", "fa_variance", "translated"):
            assert plain.find_image(row, key) == tmp_path / "plain" / f"{row['name']}_{key}.nii.gz"
            assert derived.find_image(row, key).read_bytes() == plain.find_image(row, key).read_bytes()
    assert (tmp_path / "auto" / "predictions.csv").read_bytes() == (tmp_path / "plain" / "predictions.csv").read_bytes()
    assert (tmp_path / "auto/logs/CITATION.md").read_bytes() == (tmp_path / "plain/logs/CITATION.md").read_bytes()
    with pytest.raises(ValueError, match="written by this bundle"):
        find_scan_files(tmp_path / "auto")


@pytest.mark.slow
def test_an_inference_goes_on_with_names_of_bids(make_parser: Make, tmp_path: Path) -> None:
    settings = {"dataset_dir": str(save_dataset(tmp_path / "bids", SCANS[2:])), "num_samples": 2}
    run(make_parser(**settings))
    output = tmp_path / "output"
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in output.rglob("*") if path.is_file()}
    lost = output / "sub-02" / "anat" / "sub-02_desc-faMean_T1w.json"
    lost.unlink()
    run(make_parser(**settings))
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in output.rglob("*") if path.is_file()}
    assert {path: content for path, (content, _) in after.items()} == {path: content for path, (content, _) in before.items()}
    again = {path.parent.parent.name for path in after if "desc" in path.name and after[path] != before[path]}
    assert again == {"sub-02"}  # the other participant's are as they were
    with pytest.raises(RuntimeError) as caught:
        run(make_parser(**settings, layout="plain"))
    assert "is of a run with other layout: give another output_dir" in str(caught.value.__cause__)
    run(make_parser(**settings, layout="plain", resume=False))
    assert not list(output.rglob("*desc-*")) and len(list(output.rglob("*_fa_mean.nii.gz"))) == 2


@pytest.mark.slow
def test_prepared_scans_and_their_maps_are_two_valid_datasets(make_parser: Make, tmp_path: Path) -> None:
    bids = save_dataset(tmp_path / "bids", SCANS[2:])
    run(make_parser(dataset_dir=str(bids), num_samples=2, prepare=True, **RAW, **LIMITS))
    output = tmp_path / "output"
    assert list_errors(output) == [] and list_errors(output / "prepared") == []
    for row in Results(output).read_rows():
        assert row["status"] == "done" and row["scan"] == str(bids / f"{row['name']}.nii.gz")
    assert "Scans were prepared: resampling to 4.0 mm." in (output / "logs" / "CITATION.md").read_text()


def test_a_dataset_that_is_not_ours_is_not_written_into(make_parser: Make, tmp_path: Path) -> None:
    bids = save_dataset(tmp_path / "bids", SCANS[3:])
    other = save_dataset(tmp_path / "other", SCANS[3:])
    before = (other / "dataset_description.json").read_bytes()
    for folder, message in ((bids, "is the BIDS dataset of the scans: give another one"), (other, "holds another dataset")):
        with pytest.raises(RuntimeError) as caught:
            run(make_parser(dataset_dir=str(bids), output_dir=str(folder)))
        assert message in str(caught.value.__cause__)
        assert len(list(folder.rglob("*"))) == 4
    assert (other / "dataset_description.json").read_bytes() == before
