"""The commands on a tiny cohort: a classifier is trained, resumed and explained, and so is ICAM's encoder."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser
from training_run import ROOT, TINY

from bundle.guards import check_overrides

TRAINING = ("train", "squares", "baselines/classification", "baselines/resnet")
ATTRIBUTION = ("evaluate", "squares", "baselines/attribution")
CHEAP = {"num_steps": "3", "num_shap_samples": "3", "num_noisy_samples": "3", "num_references": "2", "num_resamples": "50"}
DATA = ("dataset_dir", "image_size", "device", *(key for key in TINY if key.startswith("embedded_cohort")))
METHODS = {
    "grad_cam", "guided_grad_cam", "guided_backprop", "integrated_gradients", "occlusion", "gradient_shap", "deep_lift",
    "smooth_grad",
}  # fmt: skip


def list_files(names: tuple[str, ...]) -> str:
    return str([f"configs/{name}.yaml" for name in names])


def run(entry: str, names: tuple[str, ...], **keys: str) -> str:
    """Give a command, as a user does, and return what it prints."""
    words = [word for key, value in keys.items() for word in (f"--{key}", value)]
    command = [sys.executable, "-m", "monai.bundle", "run", entry, "--config_file", list_files(names), *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
def test_a_resnet_is_trained_resumed_and_explained(tmp_path: Path) -> None:
    keys = {key: value for key, value in TINY.items() if key != "warmup_epochs"}
    keys |= {"dataset_dir": str(tmp_path / "squares"), "output_dir": str(tmp_path), "max_epochs": "1"}
    folder = tmp_path / "baselines" / "resnet"
    run("training", TRAINING, **keys)
    assert "Resuming" in run("training", TRAINING, **keys | {"max_epochs": "2"})
    table = pd.read_csv(folder / "train" / "train.csv")
    assert list(table.columns) == ["epoch", "iteration", "seconds", "loss", "val_accuracy"]
    assert table["iteration"].tolist() == [3, 6]
    data = {key: keys[key] for key in DATA}
    run("attribution", (*ATTRIBUTION, "baselines/resnet"), output_dir=str(tmp_path), **data, **CHEAP)
    metrics = pd.read_csv(folder / "eval" / "metrics.csv")
    assert METHODS | {"layer_wise_relevance", "oracle", "image", "classifier"} <= set(metrics["method"])


@pytest.mark.parametrize("overlays", [[], pytest.param(["volumes"], id="volumes")])
def test_networks_of_the_configs_have_the_layers_and_methods_that_they_name(overlays: list[str]) -> None:
    for names in ([], ["baselines/resnet"]):
        files = [ROOT / "configs" / f"{name}.yaml" for name in ("evaluate", *overlays, "baselines/attribution", *names)]
        parser = ConfigParser(ConfigParser.load_config_files(files))
        parser.update({"network": "@network_def", "device": "cpu"})
        parser["posthoc"]["gradient_shap"]["references"] = torch.zeros(1)
        methods = parser.get_parsed_content("attributions#methods")
        assert set(methods) >= METHODS and ("layer_wise_relevance" in methods) == bool(names)


@pytest.mark.parametrize("names", [TRAINING, ATTRIBUTION, (*ATTRIBUTION, "baselines/resnet")])
def test_the_overlays_have_no_key_that_the_stages_lack(names: tuple[str, ...]) -> None:
    check_overrides(["run", "--config_file", str([str(ROOT / "configs" / f"{name}.yaml") for name in names])])
