"""Preparing folders: rows, files, what is done once, what fails."""

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from bundle.data import read_manifest
from bundle.files import write_nifti
from bundle.inference import find_scans
from bundle.preprocessing import CohortPreprocessing, Settings, cohort
from bundle.preprocessing.cohort import LOCK
from bundle.workers import Workers

Save = Callable[..., Path]


def states(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*_desc-*")}


def read(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "prepared.tsv", sep="\t")


@pytest.mark.slow
def test_skipped_steps_leave_voxels_where_they_are(save_blob: Save, plain: Settings, tmp_path: Path) -> None:
    raw = nibabel.load(save_blob(tmp_path / "raw" / "blob.nii.gz", spacing=(6.0, 6.0, 6.0)))
    run = CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0))
    assert run.run() == tmp_path / "out"
    run.finish()
    row = read(tmp_path / "out").iloc[0]
    image, mask = (nibabel.load(tmp_path / "out" / row[name]) for name in ("image", "brain_mask"))
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "out" / row["transform"]), np.eye(4))
    assert image.shape == mask.shape == (33, 39, 33)
    assert ((image.get_fdata() != 0) <= (mask.get_fdata() > 0)).all()
    voxel = np.linalg.inv(image.affine) @ raw.affine @ np.array([12, 12, 12, 1])
    expected = raw.get_fdata()[12, 12, 12]
    assert image.get_fdata()[*np.round(voxel[:3]).astype(int)] == pytest.approx(expected, rel=0.2)
    assert row["brain_volume_ml"] == pytest.approx((raw.get_fdata() != 0).sum() * 0.216)
    assert (tmp_path / "out" / row["picture"]).stat().st_size > 1000
    assert row["picture"] in (tmp_path / "out" / "overview.html").read_text()


def test_intensities_above_a_percentile_are_cut_off(save_blob: Save, plain: Settings, tmp_path: Path) -> None:
    save_blob(tmp_path / "raw" / "blob.nii.gz")
    highest = []
    for name, percentile in (("all", None), ("cut", 90.0)):
        CohortPreprocessing(tmp_path / "raw", tmp_path / name, replace(plain, clip_percentile=percentile), Workers(0)).run()
        highest.append(nibabel.load(tmp_path / name / read(tmp_path / name)["image"][0]).get_fdata().max())
    assert highest[1] < 0.9 * highest[0]


@pytest.mark.slow
def test_what_is_done_is_not_done_again(save_blob: Save, plain: Settings, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_blob(tmp_path / "raw" / f"{name}.nii.gz")
    CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0)).run()
    first, table = states(tmp_path / "out"), (tmp_path / "out" / "prepared.tsv").read_bytes()
    CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0)).run()
    assert states(tmp_path / "out") == first
    assert (tmp_path / "out" / "prepared.tsv").read_bytes() == table
    save_blob(tmp_path / "raw" / "b.nii.gz", radius=50.0)
    (tmp_path / "out" / "a_from-raw_to-prepared_xfm.txt").unlink()
    CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0)).run()
    assert all(states(tmp_path / "out")[path] != state for path, state in first.items())
    second = states(tmp_path / "out")
    CohortPreprocessing(tmp_path / "raw", tmp_path / "out", replace(plain, voxel_size=8.0), Workers(0)).run()
    assert all(states(tmp_path / "out")[path] != state for path, state in second.items())


def test_bad_scans_are_listed_with_a_sentence_and_the_others_done(save_blob: Save, plain: Settings, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    save_blob(raw / "good.nii.gz")
    save_blob(raw / "small.nii.gz", radius=20.0)
    (raw / "broken.nii.gz").write_bytes(b"no image")
    whole = save_blob(raw / "cut.nii.gz").read_bytes()
    (raw / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    arrays = {"film": np.ones((9, 9, 9, 2)), "constant": np.full((9, 9, 9), 3.0), "infinite": np.full((9, 9, 9), np.nan),
              "slice": np.random.default_rng(0).random((30, 30))}  # fmt: skip
    for name, array in arrays.items():
        nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), np.diag([2.0, 2, 2, 1])), raw / f"{name}.nii.gz")
    unknown = nibabel.Nifti1Image(np.random.default_rng(0).random((9, 9, 9)), None)
    nibabel.save(unknown, raw / "unknown.nii.gz")
    run = CohortPreprocessing(
        raw, tmp_path / "out", replace(plain, limits=plain.limits._replace(brain_volume=(100, 1e6))), Workers(0)
    )
    run.run()
    with pytest.raises(SystemExit, match=r"8 of 9 scans failed, the others are done \(see .*prepared.tsv\)"):
        run.finish()
    table = read(tmp_path / "out").set_index("participant_id")
    sentences = {"broken": "cannot be read as NIfTI", "cut": "cannot be read as NIfTI", "film": "accepted is one scan of shape",
                 "constant": "is constant", "infinite": "NaN or infinite", "slice": "only volumes of shape (X, Y, Z)",
                 "unknown": "does not say in its header where left and right are",
                 "small": "shows a brain of 34 ml: accepted are 100"}  # fmt: skip
    for name, sentence in sentences.items():
        assert table.loc[name, "status"] == "failed"
        assert sentence in table.loc[name, "message"]
        assert str(raw / f"{name}.nii.gz") in table.loc[name, "message"]
    assert table.loc["good", "status"] == "done"
    assert [path.name for path in (tmp_path / "out").rglob("*_T1w.nii.gz")] == ["good_desc-prepared_T1w.nii.gz"]
    assert table.loc["small", "brain_volume_ml"] < 40


def test_a_link_that_leads_nowhere_fails_alone(save_blob: Save, plain: Settings, tmp_path: Path) -> None:
    save_blob(tmp_path / "raw" / "a.nii.gz")
    (tmp_path / "raw" / "b.nii.gz").symlink_to("nowhere")
    CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0)).run()
    table = read(tmp_path / "out").set_index("participant_id")
    assert table["status"].to_dict() == {"a": "done", "b": "failed"}
    assert "b.nii.gz is a link to a file that is not there: fetch it" in table.loc["b", "message"]


def test_a_scan_unlike_the_template_is_refused_but_shown(save_blob: Save, plain: Settings, tmp_path: Path) -> None:
    save_blob(tmp_path / "raw" / "blob.nii.gz")
    strict = replace(plain, limits=plain.limits._replace(template_correlation=0.9))
    CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0)).run()
    CohortPreprocessing(tmp_path / "raw", tmp_path / "out", strict, Workers(0)).run()
    row = read(tmp_path / "out").iloc[0]
    assert "correlates with the template by" in row["message"]
    assert [path.name for path in (tmp_path / "out").rglob("*_desc-*")] == [Path(row["picture"]).name]


def test_a_table_of_classes_gives_a_cohort_to_train_on(save_blob: Save, plain: Settings, tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_blob(tmp_path / "raw" / f"{name}.nii.gz")
    rows = {"participant_id": ["sub-1", "sub-2", "sub-3"], "label": [0, 1, 1], "split": ["train"] * 3, "age": [70, 71, 72],
            "image": ["a.nii.gz", "b.nii.gz", "c.nii.gz"]}  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "raw" / "participants.tsv", sep="\t", index=False)
    run = CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0))
    run.run()
    assert "c.nii.gz does not exist" in read(tmp_path / "out")["message"][2]
    manifest = read_manifest(tmp_path / "out")
    assert manifest["participant_id"].tolist() == ["sub-1", "sub-2"]
    assert manifest["age"].tolist() == [70, 71]
    assert all(Path(path).is_file() for path in [*manifest["image"], *manifest["brain_mask"]])


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_first_scan(
    save_blob: Save, plain: Settings, tmp_path: Path
) -> None:
    save_blob(tmp_path / "raw" / "blob.nii.gz")
    (tmp_path / "file").write_text("mine")
    run = CohortPreprocessing(tmp_path / "raw", tmp_path / "file" / "out", plain, Workers(0))
    with pytest.raises(OSError, match="file/out cannot be written to"):
        run.run()
    assert run.rows == {}


@pytest.mark.parametrize("change", [{"voxel_size": 0.1}, {"clip_percentile": 20.0}])
def test_impossible_settings_are_refused_at_once(change: dict[str, float], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        CohortPreprocessing(tmp_path, tmp_path, Settings(**change))


@pytest.mark.slow
def test_processes_give_the_same_scans(save_blob: Save, plain: Settings, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        save_blob(tmp_path / "raw" / f"{name}.nii.gz")
    settings = replace(plain, bias_correction=True)
    for name, workers in (("alone", 0), ("two", 2)):
        CohortPreprocessing(tmp_path / "raw", tmp_path / name, settings, Workers(workers)).run()
    names = sorted(path.relative_to(tmp_path / "alone") for path in (tmp_path / "alone").rglob("*.nii.gz"))
    assert len(names) == 6
    for name in names:
        scans = (nibabel.load(tmp_path / workers / name).get_fdata() for workers in ("alone", "two"))
        np.testing.assert_allclose(*scans, rtol=1e-3)  # SimpleITK adds up in an order that depends on its threads
    assert read(tmp_path / "alone")["participant_id"].tolist() == read(tmp_path / "two")["participant_id"].tolist()


def test_a_second_preparation_in_one_folder_is_refused(save_blob: Save, plain: Settings, tmp_path: Path) -> None:
    save_blob(tmp_path / "raw" / "blob.nii.gz")
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / LOCK), pytest.raises(ValueError, match="out is being written by another process"):
        CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0)).run()
    CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0)).run()
    assert not (tmp_path / "out" / LOCK).exists()


def test_a_preparation_killed_at_any_file_goes_on_and_repeats_no_finished_scan(
    save_blob: Save, plain: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        save_blob(tmp_path / "raw" / f"{name}.nii.gz")
    written: list[str] = []

    def write_or_die(path: Path, *args: np.ndarray) -> None:
        if len(written) == 3:  # after the image of the second scan, before its mask
            raise KeyboardInterrupt
        written.append(path.name)
        write_nifti(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(cohort, "write_nifti", write_or_die)
        with pytest.raises(KeyboardInterrupt):
            CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0)).run()
    first = states(tmp_path / "out" / "sub-a")
    CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0)).run()
    assert states(tmp_path / "out" / "sub-a") == first
    assert read(tmp_path / "out")["status"].tolist() == ["done", "done"]
    assert not list((tmp_path / "out").rglob(".partial*"))


def test_a_raw_scan_whose_name_is_not_utf8_is_prepared_and_found_again(save_blob: Save, plain: Settings, tmp_path: Path) -> None:
    raw = save_blob(tmp_path / "raw" / "blob.nii.gz").rename(tmp_path / "raw" / "M\udcfcller.nii.gz")
    CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0)).run()
    assert read(tmp_path / "out")["status"].tolist() == ["done"]
    assert read(tmp_path / "out")["raw_image"][0].endswith(r"M\xfcller.nii.gz")
    (item,) = find_scans(tmp_path / "out")
    assert item["raw_image"] == item["scan"] == str(raw)


def test_prepared_scans_do_not_lie_among_raw_ones(save_blob: Save, plain: Settings, tmp_path: Path) -> None:
    save_blob(tmp_path / "raw" / "sub" / "blob.nii.gz")
    with pytest.raises(ValueError, match=r"raw would hold prepared scans among raw ones, such as \S+blob.nii.gz: give an"):
        CohortPreprocessing(tmp_path / "raw", tmp_path / "raw", plain, Workers(0)).run()
    assert [path.name for path in (tmp_path / "raw").rglob("*")] == ["sub", "blob.nii.gz"]
    CohortPreprocessing(tmp_path / "raw", tmp_path / "raw" / "prepared", plain, Workers(0)).run()
    assert read(tmp_path / "raw" / "prepared")["status"].tolist() == ["done"]


def test_a_full_disk_ends_a_preparation_at_once(
    save_blob: Save, plain: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        save_blob(tmp_path / "raw" / f"{name}.nii.gz")
    tried = []

    def fail(path: Path, *_: object) -> None:
        tried.append(path)
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(cohort, "write_nifti", fail)
    with pytest.raises(OSError, match="No space left on device"):
        CohortPreprocessing(tmp_path / "raw", tmp_path / "out", plain, Workers(0)).run()
    assert len(tried) == 1
