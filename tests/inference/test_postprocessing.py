"""Maps of prepared scans lie on the grid of the raw scan."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from raw_heads import displace, load_head, save, scan_obliquely
from tiny_scans import ROOT, make_affine, run, save_scan

from bundle.data import ResampleToGrid, redirect
from bundle.data.geometry import list_voxels, to_voxels, to_world
from bundle.inference import find_scans, foresee_scans
from bundle.inference.predictions import LOCK
from bundle.preprocessing import CohortPreprocessing, Settings
from bundle.workers import Workers

Make = Callable[..., ConfigParser]
QUICK = {"prepare": True, "bias_correction": False, "brain_extraction": False, "registration": False, "voxel_size": 2.0,
         "limits::brain_volume": [0, 1e9], "limits::template_correlation": -1, "limits::num_slices": 2}  # fmt: skip


def load(path: Path) -> Any:
    return nibabel.load(path)


def make_image(affine: np.ndarray, shape: tuple[int, ...]) -> MetaTensor:
    """Return an image whose values are a linear function of the world."""
    world = to_world(affine, list_voxels(shape).astype(float))
    return MetaTensor(torch.from_numpy(100 + world[0] - 2 * world[1] + 0.5 * world[2])[None], affine=torch.from_numpy(affine))


def move() -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3] = [[0.98, 0.15, 0, 3], [-0.15, 0.98, 0.05, -4], [0, -0.05, 1.02, 2]]
    return matrix


def test_redirected_inverse_gives_values_at_the_same_place_of_the_head(spatial_dims: int) -> None:
    image = make_image(make_affine((2.0, 2.0, 2.0)), (20, 24, 20))
    grid = ResampleToGrid([16] * spatial_dims, 2.0, plane=6.0 if spatial_dims == 2 else None)
    affine, shape = np.diag([1.5, -1.8, 2.5, 1.0]), (21, 20, 10)
    affine[:3, 3] = (-15, 12, -10)
    on_grid = grid(image)
    restored = grid.inverse(redirect(on_grid, affine, shape, move()))
    assert restored.shape == (1, *shape)
    np.testing.assert_array_equal(restored.affine.numpy(), affine)
    world = to_world(move() @ affine, list_voxels(shape).astype(float))
    place = to_voxels(on_grid.affine.numpy(), world)
    expected = 100 + world[0] - 2 * world[1] + 0.5 * world[2]
    if spatial_dims == 2:  # the plane's values are kept in the nearest voxel
        expected = 100 + world[0] - 2 * world[1] + 0.5 * 6.0
        assert (np.count_nonzero(restored[0].numpy(), axis=2) <= 1).all()
    inside = (place[:spatial_dims] > 0.01).all(0) & (place[:spatial_dims] < 14.99).all(0) & (restored[0].numpy() != 0)
    assert inside.sum() > 100
    np.testing.assert_allclose(restored[0].numpy()[inside], expected[inside], atol=1e-3 if spatial_dims == 3 else 0.05)


def test_other_scans_keep_their_way() -> None:
    image = make_image(make_affine(), (20, 24, 20))
    with pytest.raises(ValueError, match="no trace of ResampleToGrid"):
        redirect(image, np.eye(4), (2, 2, 2), np.eye(4))
    on_grid = ResampleToGrid((16, 16, 16), 2.0)(image)
    before = [dict(operation) for operation in on_grid.applied_operations]
    redirect(on_grid, np.eye(4), (2, 2, 2), np.eye(4))
    assert on_grid.applied_operations[0]["orig_size"] == before[0]["orig_size"]
    assert set(on_grid.applied_operations[0]["extra_info"]) == set(before[0]["extra_info"])


@pytest.mark.slow
def test_one_command_prepares_and_explains(make_parser: Make, tmp_path: Path, spatial_dims: int) -> None:
    raw = save_scan(tmp_path / "scans" / "raw.nii.gz", (20, 24, 22), make_affine((2.5, 2.0, 2.2), 0.2))
    (tmp_path / "scans" / "broken.nii.gz").write_bytes(b"no image")
    with pytest.raises(SystemExit, match="1 of 2 scans failed"):
        run(make_parser(spatial_dims, **QUICK))
    table = pd.read_csv(tmp_path / "output" / "predictions.csv").set_index("scan")
    assert table["status"].to_dict() == {str(raw): "done", str(tmp_path / "scans/broken.nii.gz"): "failed"}
    assert "cannot be read as NIfTI" in table.loc[str(tmp_path / "scans/broken.nii.gz"), "reason"]
    image = load(tmp_path / "output/raw_fa_mean.nii.gz")
    assert image.shape == load(raw).shape
    np.testing.assert_array_equal(image.affine, load(raw).affine)
    assert image.get_fdata().any()


def test_what_does_not_go_with_the_network_is_refused_before_anything_is_prepared(make_parser: Make, tmp_path: Path) -> None:
    save_scan(tmp_path / "scans" / "raw.nii.gz", (20, 24, 22), make_affine())
    make_parser()
    for change, sentence in (({"content_encoder::channels": 3}, "model.pt fits another architecture"),
                             ({"checkpoint": str(tmp_path / "absent.pt")}, "absent.pt"),
                             ({"target": 5}, "target must be a class"),
                             ({"target_value": 70}, "this one has none"),
                             ({"target_value": 500}, "0 to 120 years"),
                             ({"reference_scan": str(tmp_path / "absent.nii.gz")}, "absent.nii.gz")):  # fmt: skip
        with pytest.raises(RuntimeError) as caught:
            run(make_parser(**(QUICK | change)))
        causes: list[BaseException | None] = [caught.value]
        while causes[-1] is not None:
            causes.append(causes[-1].__cause__)
        assert sentence in " ".join(map(str, causes))
        assert not (tmp_path / "output").exists()


def test_results_of_other_settings_are_refused_before_anything_is_prepared(make_parser: Make, tmp_path: Path) -> None:
    save_scan(tmp_path / "scans" / "raw.nii.gz", (20, 24, 22), make_affine())
    run(make_parser())
    with pytest.raises(RuntimeError) as caught:
        run(make_parser(**QUICK, num_samples=5))
    assert "is of a run with other num_samples, prepare, preparation: give" in str(caught.value.__cause__)
    assert not (tmp_path / "output" / "prepared").exists()


def test_names_of_raw_scans_are_foreseen(make_parser: Make, tmp_path: Path) -> None:
    for name in ("a", "b/a", "b/c_T1w", "sub-1/anat/sub-1_T1w"):
        save_scan(tmp_path / "scans" / f"{name}.nii.gz", (20, 24, 22), make_affine())
    parser = make_parser(**QUICK)
    foreseen = foresee_scans(parser.get_parsed_content("preparation"))
    found = parser.get_parsed_content("dataset").data
    assert foreseen == [{key: item[key] for key in ("scan", "name")} for item in found]


def test_a_busy_folder_and_names_that_are_taken_are_refused_before_anything_is_prepared(
    make_parser: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("scans", "others"):
        save_scan(tmp_path / folder / "raw.nii.gz", (20, 24, 22), make_affine())
    run(make_parser(**QUICK))
    monkeypatch.setattr(CohortPreprocessing, "run", lambda _: pytest.fail("scans are prepared"))
    with FileLock(tmp_path / "output" / LOCK), pytest.raises(RuntimeError) as caught:
        run(make_parser(**QUICK))
    assert "output is being written by another process" in str(caught.value.__cause__)
    with pytest.raises(RuntimeError) as caught:
        run(make_parser(**QUICK, dataset_dir=str(tmp_path / "others")))
    assert f"holds the maps of {tmp_path / 'scans/raw.nii.gz'}, and " in str(caught.value.__cause__)


@pytest.mark.slow
def test_absent_raw_scan_costs_this_scan_only(make_parser: Make, tmp_path: Path) -> None:
    paths = [save_scan(tmp_path / "raw" / f"{name}.nii.gz", (20, 24, 22), make_affine()) for name in "ab"]
    limits = Settings().limits._replace(brain_volume=(0, 1e9), template_correlation=-1)
    CohortPreprocessing(tmp_path / "raw", tmp_path / "scans", Settings(False, False, False, 2.0, limits=limits), Workers(0)).run()
    paths[0].unlink()
    with pytest.raises(SystemExit, match="1 of 2 scans failed.*keep the raw scan where it was"):
        run(make_parser())
    assert load(tmp_path / "output/b_fa_mean.nii.gz").shape == load(paths[1]).shape


def test_a_single_file_is_a_scan(tmp_path: Path) -> None:
    path = save_scan(tmp_path / "scan.nii.gz", (9, 9, 9), make_affine())
    assert find_scans(path) == [{"image": str(path), "scan": str(path), "name": "scan"}]


@pytest.mark.parametrize("key", ["bias_correction", "brain_extraction", "registration", "voxel_size", "clip_percentile",
                                 "limits", "settings"])  # fmt: skip
def test_scans_are_prepared_alike_with_and_without_inference(key: str) -> None:
    first, second = (ConfigParser.load_config_file(ROOT / "configs" / name) for name in ("prepare.yaml", "inference.yaml"))
    assert first[key] == second[key]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_raw_oblique_head_to_maps_on_its_own_grid(make_parser: Make, tmp_path: Path) -> None:
    """The whole way: brain extraction, bias field, registration; a network of two dimensions and one of three."""
    head, world = load_head(), displace()
    raw = load(save(scan_obliquely(head, world), tmp_path / "scans" / "head.nii.gz"))
    slab = np.random.default_rng(0).random((64, 64, 4)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(slab, np.diag([3.0, 3, 3, 1])), tmp_path / "scans" / "slab.nii.gz")
    for spatial_dims, size in ((2, [96, 112]), (3, [64, 80, 64])):
        (tmp_path / "model.pt").unlink(missing_ok=True)
        settings = {"prepare": True, "resume": False, "image_size": size, "pixdim": 2.0 if spatial_dims == 2 else 2.5}
        with pytest.raises(SystemExit, match="1 of 2 scans failed"):
            run(make_parser(spatial_dims, **settings))
        for ending in ("fa_mean", "fa_variance", "translated"):
            image = load(tmp_path / "output" / f"head_{ending}.nii.gz")
            assert image.shape == raw.shape
            np.testing.assert_array_equal(image.affine, raw.affine)
            assert np.count_nonzero(image.get_fdata()) > 2000
    rows = pd.read_csv(tmp_path / "output" / "prepared" / "prepared.tsv", sep="\t").set_index("participant_id")
    assert rows.loc["slab", "status"] == "failed"
    assert 1500 < rows.loc["head", "brain_volume_ml"] < 2300
    found = np.loadtxt(tmp_path / "output" / "prepared" / rows.loc["head", "transform"])
    points = np.array([[60, -20, 20], [-60, -20, 20], [0, -95, 0], [0, 65, 10], [0, -20, 75.0]])
    error = nibabel.affines.apply_affine(found @ world, points) - points
    assert np.linalg.norm(error, axis=1).max() < 5  # mm, between two averages of brains
