"""The commands on a tiny cohort: a classifier is trained, resumed and explained, and so is ICAM's encoder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser

from bundle.guards import check_overrides
from bundle.simulation.squares import simulate_squares_cohort

ROOT = Path(__file__).parents[2]

TRAINING = ("train", "squares", "baselines/classification", "baselines/resnet")
ATTRIBUTION = ("train", "evaluate", "squares", "baselines/attribution")
CHEAP = {"num_steps": 3, "num_shap_samples": 3, "num_noisy_samples": 3, "num_references": 2, "num_resamples": 50}
METHODS = {
    "grad_cam", "guided_grad_cam", "guided_backprop", "integrated_gradients", "occlusion", "gradient_shap", "deep_lift",
    "smooth_grad",
}  # fmt: skip


def read(names: Sequence[str], **keys: Any) -> ConfigParser:
    parser = ConfigParser(ConfigParser.load_config_files([ROOT / "configs" / f"{name}.yaml" for name in names]))
    parser.update(keys)
    return parser


@pytest.mark.slow
def test_a_resnet_is_trained_resumed_and_explained(tmp_path: Path) -> None:
    cohort = simulate_squares_cohort(tmp_path / "squares", (32, 32), num_train=8, num_validation=4, num_test=8)
    keys = {"cohort": cohort, "output_dir": str(tmp_path), "image_size": [32, 32], "device": "cpu"}
    schedule = {"epoch_length": 3, "warmup_iterations": 2, "batch_size": 4}
    for epochs in (1, 2):
        trainer = read(TRAINING, **keys, **schedule, max_epochs=epochs).get_parsed_content("train#trainer")
        trainer.run()
        assert trainer.state.iteration == 3 * epochs
    folder = tmp_path / "baselines" / "resnet"
    table = pd.read_csv(folder / "train" / "train.csv")
    assert list(table.columns) == ["epoch", "phase", "chosen", "iteration", "seconds", "loss", "val_accuracy"]
    assert table["iteration"].tolist() == [3, 6]
    read((*ATTRIBUTION, "baselines/resnet"), **keys, **CHEAP).get_parsed_content("attributions").run()
    metrics = pd.read_csv(folder / "eval" / "metrics.csv")
    assert METHODS | {"layer_wise_relevance", "oracle", "image", "classifier"} <= set(metrics["method"])


@pytest.mark.parametrize("overlays", [[], pytest.param(["volumes"], id="volumes")])
def test_networks_of_the_configs_have_the_layers_and_methods_that_they_name(overlays: list[str]) -> None:
    for names in ([], ["baselines/resnet"]):
        files = ("train", "evaluate", *overlays, "baselines/attribution", *names)
        parser = read(files, network="@network_def", device="cpu", references=torch.zeros(1))
        methods = parser.get_parsed_content("explainer#methods")
        assert set(methods) >= METHODS and ("layer_wise_relevance" in methods) == bool(names)


FAITHFULNESS = (*ATTRIBUTION, "faithfulness")
EXPLAINED = [("train", "evaluate", "faithfulness"), FAITHFULNESS, (*FAITHFULNESS, "baselines/vagan_network")]


@pytest.mark.parametrize("names", [TRAINING, ATTRIBUTION, (*ATTRIBUTION, "baselines/resnet"), *EXPLAINED])
def test_the_overlays_have_no_key_that_the_stages_lack(names: tuple[str, ...]) -> None:
    check_overrides(["run", "--config_file", str([str(ROOT / "configs" / f"{name}.yaml") for name in names])])
