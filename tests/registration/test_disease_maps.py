"""Disease maps of a table of scans; what a pair is, and what is kept, as well."""

import json
import os
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from bundle.registration import Registration, complete_disease_maps
from bundle.registration.disease_maps import find_fault
from bundle.workers import Workers

FAST = {"registration": Registration("rigid", levels=(12.0,))}


@pytest.mark.slow
def test_pairs_have_maps_on_their_own_grids_with_a_table_and_pictures(tmp_path: Path, manifest: pd.DataFrame) -> None:
    complete = complete_disease_maps(manifest, tmp_path / "maps", **FAST)
    assert complete["disease_map"].notna().tolist() == [True] * 4 + [False]
    assert "disease_map" not in manifest
    pd.testing.assert_frame_equal(complete.drop(columns="disease_map"), manifest)
    for row in complete[:4].to_dict("records"):
        image, change = nibabel.load(row["image"]), nibabel.load(row["disease_map"])
        assert image.shape == change.shape
        np.testing.assert_allclose(image.affine, change.affine)
    extremes = [nibabel.load(path).get_fdata().min() for path in complete["disease_map"][:4]]
    assert max(extremes[:2]) < -250 and min(extremes[2:]) > -150  # the later state is darker in both scans of the converter
    table = pd.read_csv(tmp_path / "maps" / "disease_maps.tsv", sep="\t")
    assert table["participant_id"].tolist() == ["sub-1", "sub-2"]
    assert table["earlier"].tolist() == ["ses-M000"] * 2 and table["status"].tolist() == ["ok"] * 2
    assert (table["correlation"] > table["correlation_before"]).all()
    assert table["rotation"].between(4, 7).all() and table["gain"].between(0.95, 1.05).all()
    assert all(Path(path).read_bytes().startswith(b"\x89PNG") for path in table["picture"])


@pytest.mark.slow
def test_maps_are_computed_once_and_again_when_scan_or_setting_changes(tmp_path: Path, manifest: pd.DataFrame) -> None:
    def compute(**settings: object) -> tuple[str, int]:
        path = complete_disease_maps(manifest, tmp_path / "maps", ["test"], **(FAST | settings))["disease_map"][0]
        return path, Path(path).stat().st_mtime_ns

    first = compute()
    assert compute() == first
    assert compute(smoothing=4.0)[0] != first[0]
    Path(first[0]).unlink()
    again = compute()
    assert again[0] == first[0] and again[1] != first[1]
    image = Path(manifest["image"][0])
    os.utime(image, ns=(image.stat().st_atime_ns, image.stat().st_mtime_ns + 10**9))
    assert compute()[0] != first[0]


@pytest.mark.slow
def test_only_the_wanted_splits_are_computed(tmp_path: Path, manifest: pd.DataFrame) -> None:
    complete = complete_disease_maps(manifest, tmp_path / "maps", ["test"], **FAST)
    assert complete["disease_map"].notna().tolist() == [True, True, False, False, False]


@pytest.mark.slow
def test_several_processes_give_the_same_maps(tmp_path: Path, manifest: pd.DataFrame) -> None:
    one = complete_disease_maps(manifest, tmp_path / "one", ["test"], **FAST)
    two = complete_disease_maps(manifest, tmp_path / "two", ["test"], **(FAST | {"workers": Workers(2)}))
    for first, second in zip(one["disease_map"].dropna(), two["disease_map"].dropna(), strict=True):
        assert Path(first).read_bytes() == Path(second).read_bytes()


def test_cohort_without_pairs_or_with_maps_is_returned_as_it_is(tmp_path: Path, manifest: pd.DataFrame) -> None:
    without = manifest.drop(columns="pair")
    with_maps = manifest.assign(disease_map=["a", "b", "c", "d", None])
    for table in (without, with_maps, manifest.assign(pair=np.nan)):
        assert complete_disease_maps(table, tmp_path / "maps") is table
    assert not (tmp_path / "maps").exists()


@pytest.mark.slow
def test_failed_pair_is_left_out_in_one_sentence(
    tmp_path: Path, manifest: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    affine, shape = nibabel.load(manifest["image"][0]).affine, nibabel.load(manifest["image"][0]).shape
    noise = np.random.default_rng(0).uniform(1, 900, shape).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(noise, affine), manifest["image"][0])
    complete = complete_disease_maps(manifest, tmp_path / "maps", **FAST)
    assert complete["disease_map"].notna().tolist() == [False, False, True, True, False]
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert "sub-1 has no disease map of ses-M000 and ses-M024: the registered scans correlate with" in caplog.text
    empty = np.zeros(shape, dtype=np.float32)
    nibabel.save(nibabel.Nifti1Image(empty, affine), manifest["brain_mask"][0])
    complete_disease_maps(manifest, tmp_path / "maps", ["test"], **FAST)
    table = pd.read_csv(tmp_path / "maps" / "disease_maps.tsv", sep="\t")
    assert "is an empty mask" in table["status"][0]
    assert json.loads(next((tmp_path / "maps").glob("*/pair.json")).read_text())["participant_id"] in ("sub-1", "sub-2")


def test_implausible_scale_is_a_fault() -> None:
    assert find_fault({"correlation": 0.9, "scale": 1.05}, 0.7, 0.1) is None
    assert "edges are 1.200 times the earlier's" in str(find_fault({"correlation": 0.9, "scale": 1.2}, 0.7, 0.1))
    assert "correlate with nan" in str(find_fault({"correlation": float("nan"), "scale": 1.0}, 0.7, 0.1))


def test_missing_file_and_wrong_setting_are_refused_before_anything_runs(tmp_path: Path, manifest: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="transform must be one of rigid, affine"):
        complete_disease_maps(manifest, tmp_path / "maps", registration=Registration("elastic"))
    Path(manifest["image"][3]).unlink()
    with pytest.raises(FileNotFoundError, match="names a file that does not exist, .*sub-2_ses-M000_image"):
        complete_disease_maps(manifest, tmp_path / "maps", **FAST)
