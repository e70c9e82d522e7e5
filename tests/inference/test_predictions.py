"""Inference on a folder through the committed config."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from monai.bundle import ConfigParser
from tiny_scans import make_affine, run, save_scan

import bundle.inference.explained_scans
from bundle.attribution import describe_sampling
from bundle.attribution.conformal import calibrate, save_calibrations
from bundle.errors import show_error

NAMES = ("flat", "sub-01/slice", "sub-02/volume", "sub-03/oblique")
SOURCES = ("flat.nii.gz", "sub-01/slice.nii.gz", "sub-02/volume.nii", "sub-03/oblique.nii.gz")
ENDINGS = ("fa_mean", "fa_variance", "translated")

Make = Callable[..., ConfigParser]


def _values(path: Path) -> np.ndarray:
    return nibabel.load(path).get_fdata()


@pytest.mark.slow
def test_maps_lie_on_the_grid_of_their_scan(scans: Path, make_parser: Make, tmp_path: Path) -> None:
    run(make_parser(overviews=True))
    for name, source in zip(NAMES, SOURCES, strict=True):
        scan = nibabel.load(scans / source)
        for ending in ENDINGS:
            image = nibabel.load(tmp_path / "output" / f"{name}_{ending}.nii.gz")
            assert image.shape == scan.shape
            np.testing.assert_array_equal(image.affine, scan.affine)
            assert np.isfinite(image.get_fdata()).all()
            assert image.get_fdata().any()
        assert (tmp_path / "output" / f"{name}_overview.png").stat().st_size > 1000
    assert not list((tmp_path / "output").rglob(".partial*"))


@pytest.mark.slow
def test_intervals_lie_on_the_grid_of_the_scan(scans: Path, make_parser: Make, tmp_path: Path) -> None:
    parser = make_parser()
    inferer = parser.get_parsed_content("inferer")
    zero = np.zeros(40)
    calibration = calibrate(zero, zero, np.linspace(-1, 1, 40), zero + 1, (0.5, 0.9), (1, 1))
    preprocessing = {name: parser[name] for name in ("pixdim", "plane", "percentile", "headroom")}
    origin = describe_sampling(inferer.source, inferer.augmentation, preprocessing)
    save_calibrations(tmp_path / "calibration.pt", {0: calibration, 1: calibration}, origin)
    run(make_parser(calibration=str(tmp_path / "calibration.pt"), interval_level=0.5, overviews=True))
    for name, source in zip(NAMES, SOURCES, strict=True):
        low, high = (_values(tmp_path / "output" / f"{name}_fa_{ending}.nii.gz") for ending in ("low", "high"))
        assert low.shape == nibabel.load(scans / source).shape
        assert (low <= 1e-6).all() and (high >= -1e-6).all()
        assert (high - low).max() == pytest.approx(1, abs=0.1)


def test_map_of_a_volume_fills_one_voxel_a_column(scans: Path, make_parser: Make, tmp_path: Path) -> None:
    run(make_parser())
    values = _values(tmp_path / "output" / "sub-02" / "volume_fa_mean.nii.gz")
    assert set(np.flatnonzero(values.any(axis=(0, 1)))) == {6}  # z = -10 + 2.5 * 6 = 5 mm
    oblique = _values(tmp_path / "output" / "sub-03" / "oblique_fa_mean.nii.gz")
    assert (np.count_nonzero(oblique, axis=2) <= 1).all()


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 1)])
def test_map_of_a_scan_on_the_network_grid_is_not_interpolated(shape: tuple[int, ...], make_parser: Make, tmp_path: Path) -> None:
    save_scan(tmp_path / "scans" / "scan.nii.gz", shape, make_affine())
    parser = make_parser()
    run(parser)
    image = parser.get_parsed_content("dataset")[0]["image"].as_tensor()
    answer = parser.get_parsed_content("inferer")(image[None], parser.get_parsed_content("network"))
    expected = answer["fa_mean"][0, 0].numpy().reshape(shape)
    shift = np.round((image.shape[1] - 1) / 2 - np.argwhere(image[0].numpy() > -1).mean(axis=0)).astype(int)
    np.testing.assert_array_equal(shift, [0, 0])  # the blob is in the middle
    saved = _values(tmp_path / "output" / "scan_fa_mean.nii.gz")
    offset = np.round((np.argwhere(_values(tmp_path / "scans" / "scan.nii.gz") > 0).mean(axis=0)[:2]) - 15.5).astype(int)
    moved = np.roll(expected, tuple(offset), axis=(0, 1))
    np.testing.assert_allclose(saved[1:-1, 1:-1], moved[1:-1, 1:-1], atol=1e-6)


def test_3d_network_takes_volumes(make_parser: Make, tmp_path: Path) -> None:
    save_scan(tmp_path / "scans" / "volume.nii.gz", (20, 24, 22), make_affine((2.5, 2.0, 2.2), 0.2))
    run(make_parser(spatial_dims=3))
    scan = nibabel.load(tmp_path / "scans" / "volume.nii.gz")
    image = nibabel.load(tmp_path / "output" / "volume_fa_mean.nii.gz")
    assert image.shape == scan.shape
    np.testing.assert_array_equal(image.affine, scan.affine)
    assert (image.get_fdata() != 0).mean() > 0.9


def test_table_has_a_row_for_each_scan(scans: Path, make_parser: Make, tmp_path: Path) -> None:
    run(make_parser())
    table = pd.read_csv(tmp_path / "output" / "predictions.csv")
    assert table["name"].tolist() == list(NAMES)
    assert table["scan"].tolist() == [str(scans / source) for source in SOURCES]
    assert set(table["status"]) == {"done"}
    np.testing.assert_allclose(table["probability_0"] + table["probability_1"], 1, atol=1e-6)
    assert ((table["probability_1"] > 0.5) == (table["predicted_class"] == 1)).all()
    assert (table["target_class"] == 1 - table["predicted_class"]).all()


def test_repeated_run_gives_the_same_bytes(scans: Path, make_parser: Make, tmp_path: Path) -> None:
    run(make_parser())
    run(make_parser(output_dir=str(tmp_path / "again")))
    for path in sorted((tmp_path / "output").rglob("*.nii.gz")):
        again = tmp_path / "again" / path.relative_to(tmp_path / "output")
        assert again.read_bytes() == path.read_bytes()
    assert (tmp_path / "again/predictions.csv").read_bytes() == (tmp_path / "output/predictions.csv").read_bytes()


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_result_does_not_depend_on_the_other_scans(spatial_dims: int, make_parser: Make, tmp_path: Path) -> None:
    for number in range(3):
        save_scan(tmp_path / "scans" / f"{number}.nii.gz", (24, 28, 20), make_affine(), seed=number)
    run(make_parser(spatial_dims))
    run(make_parser(spatial_dims, dataset_dir=str(tmp_path / "scans" / "1.nii.gz"), output_dir=str(tmp_path / "single")))
    for path in (tmp_path / "single").glob("*.nii.gz"):
        assert path.read_bytes() == (tmp_path / "output" / path.name).read_bytes()
    alone, among = ((tmp_path / name / "predictions.csv").read_text().splitlines() for name in ("single", "output"))
    assert alone[1] == among[2]


def test_target_can_be_any_class(scans: Path, make_parser: Make, tmp_path: Path) -> None:
    run(make_parser(target=1))
    assert set(pd.read_csv(tmp_path / "output" / "predictions.csv")["target_class"]) == {1}


def test_unknown_target_is_refused(scans: Path, make_parser: Make) -> None:
    with pytest.raises(RuntimeError) as caught:
        run(make_parser(target=2))
    assert "target must be a class, 0 to 1, or null, got 2" in str(caught.value.__cause__)


def test_reference_scan_gives_a_further_map(scans: Path, make_parser: Make, tmp_path: Path) -> None:
    run(make_parser(reference_scan=str(scans / "flat.nii.gz")))
    assert len(list((tmp_path / "output").rglob("*_fa_exemplar.nii.gz"))) == len(NAMES)
    own = _values(tmp_path / "output" / "flat_fa_exemplar.nii.gz")
    np.testing.assert_allclose(own, 0, atol=1e-5)  # its own attribute changes nothing


def test_bad_scans_are_left_out_and_reported(scans: Path, make_parser: Make, tmp_path: Path) -> None:
    (scans / "broken.nii.gz").write_bytes(b"no image")
    save_scan(scans / "constant.nii.gz", (9, 9, 1), make_affine())
    nibabel.save(nibabel.Nifti1Image(np.full((9, 9, 9), 3.0), np.eye(4)), scans / "constant.nii.gz")
    with pytest.raises(SystemExit, match="2 of 6 scans failed, the others are done") as caught:
        run(make_parser())
    assert "broken.nii.gz cannot be read as NIfTI" in str(caught.value)
    table = pd.read_csv(tmp_path / "output" / "predictions.csv").set_index("name")
    assert table["status"].to_dict() == {**dict.fromkeys(NAMES, "done"), "broken": "failed", "constant": "failed"}
    assert "constant.nii.gz is constant" in table.loc["constant", "reason"]
    assert len(list((tmp_path / "output").rglob("*_fa_mean.nii.gz"))) == len(NAMES)


def test_the_end_of_a_run_in_which_all_scans_failed_says_so(scans: Path, make_parser: Make) -> None:
    for path in scans.rglob("*.nii*"):
        path.write_bytes(b"no image")
    with pytest.raises(SystemExit, match=r"^all \d scans failed \(see .*predictions\.csv\); the first: "):
        run(make_parser())


def _fail_at(name: str, number: int, patch: pytest.MonkeyPatch) -> None:
    """Let writing files of a name fail with the error of a number."""
    write = bundle.inference.explained_scans.write_nifti

    def fail(path: Path, *args: object) -> None:
        if path.name == name:
            raise OSError(number, os.strerror(number))
        write(path, *args)

    patch.setattr(bundle.inference.explained_scans, "write_nifti", fail)


def test_a_scan_whose_files_cannot_be_written_leaves_nothing_half_written(
    scans: Path, make_parser: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_at("slice_translated.nii.gz", errno.EACCES, monkeypatch)
    with pytest.raises(SystemExit, match="1 of 4 scans failed"):
        run(make_parser())
    assert not list((tmp_path / "output" / "sub-01").iterdir())
    table = pd.read_csv(tmp_path / "output" / "predictions.csv").set_index("name")
    assert "Permission denied" in table.loc["sub-01/slice", "reason"]
    assert (tmp_path / "output" / "sub-03" / "oblique_fa_mean.nii.gz").is_file()


def test_a_full_disk_ends_the_run_at_once_and_the_same_command_goes_on(
    scans: Path, make_parser: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        _fail_at("slice_translated.nii.gz", errno.ENOSPC, patch)
        with pytest.raises(RuntimeError) as caught:
            run(make_parser())
    show_error(caught.type, caught.value, None)
    error = capsys.readouterr().err
    assert f"Error: {tmp_path / 'output'} cannot be written to (no space left on device): the scans that are done stay" in error
    assert "Traceback" not in error
    assert pd.read_csv(tmp_path / "output" / "predictions.csv")["name"].tolist() == ["flat"]
    assert len(list((tmp_path / "output").rglob("*_fa_mean.nii.gz"))) == 1
    before = (tmp_path / "output" / "flat_fa_mean.nii.gz").stat().st_mtime_ns
    run(make_parser())
    assert set(pd.read_csv(tmp_path / "output" / "predictions.csv")["status"]) == {"done"}
    assert (tmp_path / "output" / "flat_fa_mean.nii.gz").stat().st_mtime_ns == before


def test_a_name_that_is_too_long_for_its_maps_costs_this_scan_alone(make_parser: Make, tmp_path: Path) -> None:
    long = "x" * 240
    for name in ("b", long, "sub/" + long):
        save_scan(tmp_path / "scans" / f"{name}.nii.gz", (20, 22, 1), make_affine())
    for _ in range(2):
        with pytest.raises(SystemExit, match="2 of 3 scans failed.* has a name that is too long for those of its maps: give the"):
            run(make_parser())
        table = pd.read_csv(tmp_path / "output" / "predictions.csv").set_index("name")
        assert table["status"].to_dict() == {"b": "done", "sub/" + long: "failed", long: "failed"}
        assert (tmp_path / "output" / "b_fa_mean.nii.gz").is_file()


def test_outputs_beside_the_scans_are_not_taken_for_scans(scans: Path, make_parser: Make) -> None:
    run(make_parser(output_dir=str(scans)))
    parser = make_parser(output_dir=str(scans))
    assert len(parser.get_parsed_content("dataset")) == len(NAMES)


def test_translated_scan_has_the_intensities_of_the_scan(scans: Path, make_parser: Make, tmp_path: Path) -> None:
    run(make_parser())
    scan, translated = _values(scans / "flat.nii.gz"), _values(tmp_path / "output" / "flat_translated.nii.gz")
    assert translated.min() >= 0
    assert translated.max() <= 1.01 * scan.max()
    assert translated.max() > 2


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_target_value_writes_its_map_on_the_grid_of_the_scan_and_the_ages(
    spatial_dims: int, make_parser: Make, tmp_path: Path
) -> None:
    scan = save_scan(tmp_path / "scans" / "scan.nii.gz", (40, 40, 20), make_affine())
    run(make_parser(spatial_dims, regression=True, target_value=75.0))
    for ending in ("fa_value", "translated_value"):
        image = nibabel.load(tmp_path / "output" / f"scan_{ending}.nii.gz")
        assert image.shape == nibabel.load(scan).shape and image.get_fdata().any()
        np.testing.assert_array_equal(image.affine, nibabel.load(scan).affine)
    assert _values(tmp_path / "output" / "scan_translated_value.nii.gz").max() > 100  # in the intensities of the scan
    table = pd.read_csv(tmp_path / "output" / "predictions.csv")
    assert table.columns[-4:].tolist() == ["predicted_age", "translated_age", "truth", "ncc"]
    assert table["predicted_age"].notna().all()
    run(make_parser(spatial_dims, regression=True, target_value=75.0, resume=False))
    assert len(pd.read_csv(tmp_path / "output" / "predictions.csv")) == 1  # maps in a folder are no scans
