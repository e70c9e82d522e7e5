"""The bundle as MONAI's workflows and command line run it, from a folder that is not its root."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import nibabel
import pandas as pd
import pytest
from monai.bundle import ConfigParser
from tiny_scans import make_affine, save_scan

Run = Callable[..., subprocess.CompletedProcess]

CHECK = """
from monai.bundle import create_workflow
workflow = create_workflow(config_file={files!r}, workflow_type={kind!r}, **{keys!r})
print("MISSING", workflow.check_properties())
"""
TINY = {
    "image_size": [32, 32],
    "simulated_cohort#num_train": 16,
    "simulated_cohort#num_validation": 8,
    "simulated_cohort#num_test": 8,
    "epoch_length": 2,
    "max_epochs": 1,
    "warmup_epochs": 0,
    "warmup_iterations": 1,
}
ZOO = {
    "train": [
        "bundle_root", "device", "dataset_dir", "output_dir", "network_def", "preprocessing", "key_metric", "val_interval",
        "train#trainer", "train#trainer#max_epochs", "train#dataset", "train#dataset#data", "train#inferer", "train#handlers",
        "validate#evaluator", "validate#handlers", "validate#dataset", "validate#dataset#data", "validate#inferer",
        "initialize", "run",
    ],
    "inference": [
        "bundle_root", "device", "dataset_dir", "output_dir", "network_def", "preprocessing", "postprocessing", "dataset",
        "dataset#data", "inferer", "handlers", "evaluator", "initialize", "run",
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", ZOO)
@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_keys_are_named_as_in_the_model_zoo(bundle_root: Path, kind: str, suffix: str) -> None:
    parser = ConfigParser()
    parser.read_config(bundle_root / "configs" / f"{kind}.{suffix}")
    assert [key for key in ZOO[kind] if key not in parser] == []


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    save_scan(tmp_path / "scans" / "sub-01.nii.gz", (80, 90, 1), make_affine())
    return tmp_path / "scans"


@pytest.mark.slow
def test_no_property_of_a_training_workflow_is_missing(bundle_root: Path, run_elsewhere: Run, tmp_path: Path) -> None:
    files = [str(bundle_root / "configs" / f"{name}.yaml") for name in ("train", "squares")]
    keys = TINY | {"bundle_root": str(bundle_root), "dataset_dir": str(tmp_path / "squares"), "output_dir": str(tmp_path / "out")}
    done = run_elsewhere("-c", CHECK.format(files=files, kind="train", keys=keys))
    assert "MISSING []" in done.stdout, done.stdout[-2000:]


@pytest.mark.slow
def test_no_property_of_an_inference_workflow_is_missing(bundle_root: Path, run_elsewhere: Run, scans: Path) -> None:
    files = str(bundle_root / "configs" / "inference.json")
    keys = {"bundle_root": str(bundle_root), "dataset_dir": str(scans)}
    done = run_elsewhere("-c", CHECK.format(files=files, kind="inference", keys=keys))
    assert "MISSING []" in done.stdout, done.stdout[-2000:]


@pytest.mark.slow
def test_inference_runs_from_another_folder_with_its_overrides(
    bundle_root: Path, run_elsewhere: Run, scans: Path, tmp_path: Path
) -> None:
    done = run_elsewhere(
        "-m", "monai.bundle", "run", "--config_file", bundle_root / "configs" / "inference.json", "--bundle_root", bundle_root,
        "--dataset_dir", scans, "--output_dir", tmp_path / "maps", "--num_samples", 2, "--target", 0, "--overviews", False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    table = pd.read_csv(tmp_path / "maps" / "predictions.csv")
    assert table["target_class"].tolist() == [0]
    (fa_mean,) = (tmp_path / "maps").rglob("*_fa_mean.nii.gz")
    assert nibabel.load(fa_mean).shape == (80, 90, 1)
    assert not list((tmp_path / "maps").rglob("*.png"))


@pytest.mark.slow
def test_training_runs_from_another_folder_with_overlays_and_overrides(
    bundle_root: Path, run_elsewhere: Run, tmp_path: Path
) -> None:
    tiny = tmp_path / "tiny.yaml"
    squares = (bundle_root / "configs" / "squares.yaml").read_text()
    tiny.write_text(squares[squares.index("simulated_cohort:") :])
    names = ("train", "slices128", "paper_network", "paper_objective", "paper")
    files = [*(str(bundle_root / "configs" / f"{name}.yaml") for name in names), str(tiny)]
    keys = {key: value for key, value in TINY.items() if key not in ("image_size", "warmup_iterations")}
    done = run_elsewhere(
        "-m", "monai.bundle", "run", "training", "--config_file", files, "--bundle_root", bundle_root,
        "--dataset_dir", tmp_path / "squares", "--output_dir", tmp_path / "out",
        *(word for key, value in keys.items() for word in (f"--{key}", value)),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    table = pd.read_csv(tmp_path / "out" / "train" / "train.csv")
    assert table["iteration"].tolist() == [2]
    assert table["map"].notna().all() and "map_reconstruction" not in table
