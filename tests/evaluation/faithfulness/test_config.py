"""The config of faithfulness, with every kind of method, on a tiny cohort on disk."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser

from bundle.simulation.squares import simulate_squares_cohort

ROOT = Path(__file__).parents[3]
POST_HOC = ("train", "evaluate", "baselines/attribution", "faithfulness")
CHEAP = {
    "num_resamples": 20, "num_samples": 2, "num_steps": 2, "num_shap_samples": 2, "num_noisy_samples": 2, "num_references": 2,
    "deletion_scans": 1, "randomisation_scans": 1, "num_shuffles": 1, "deletion_shares": [0.1, 1.0],
}  # fmt: skip
KINDS = {
    "icam": (("train", "evaluate", "faithfulness"), "exemplar_input", "faithfulness"),
    "drit": (("train", "evaluate", "faithfulness", "baselines/drit"), "exemplar_input", "faithfulness"),
    "posthoc": (POST_HOC, "grad_cam", "baselines/attribute_encoder/faithfulness"),
    "resnet": ((*POST_HOC, "baselines/resnet"), "layer_wise_relevance", "baselines/resnet/faithfulness"),
    "vagan": ((*POST_HOC, "baselines/vagan_network"), "vagan", "baselines/vagan/faithfulness"),
}


def read(names: Sequence[str], folder: Path, spatial_dims: int) -> ConfigParser:
    """Read configs, make a cohort, and save random weights of the network and of the independent classifier."""
    parser = ConfigParser(ConfigParser.load_config_files([ROOT / "configs" / f"{name}.yaml" for name in names]))
    size = [32] * spatial_dims
    cohort = simulate_squares_cohort(folder / "squares", size, num_train=4, num_validation=0, num_test=4)
    keys: dict[str, Any] = {
        "cohort": cohort, "output_dir": str(folder), "image_size": size, "spatial_dims": spatial_dims, "device": "cpu",
        "pixdim": 1.0, "plane": 0.0 if spatial_dims == 2 else None, "checkpoint": str(folder / "model.pt"),
        "classifier_checkpoint": str(folder / "classifier.pt"),
    }  # fmt: skip
    parser.update(keys | {key: value for key, value in CHEAP.items() if key in parser})
    torch.manual_seed(0)
    for name, key in (("model", "network_def"), ("classifier", "classifier_def")):
        torch.save({"model": parser.get_parsed_content(key).state_dict()}, folder / f"{name}.pt")
    return parser


@pytest.mark.slow
@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_faithfulness_of_every_kind_of_method_is_measured(kind: str, spatial_dims: int, tmp_path: Path) -> None:
    names, method, folder = KINDS[kind]
    parser = read(names, tmp_path, spatial_dims)
    table = parser.get_parsed_content("faithfulness_evaluator").run()
    assert method in set(table["method"])
    assert {"deletion", "insertion", "randomisation_ncc"} <= set(table["metric"])
    translations = table[table["protocol"] == "counterfactual"]
    assert set(translations["direction"]) == {"icam": {"-", "+"}, "drit": {"-", "+"}, "vagan": {"-"}}.get(kind, set())
    assert ("composition_error" in set(table["metric"])) == (kind in ("icam", "drit"))
    assert len(pd.read_csv(tmp_path / folder / "metrics.csv")) == len(table)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (None, r"classifier\.pt does not exist: train first"),
        ({"fc": torch.zeros(1)}, r"classifier\.pt fits another architecture than"),
    ],
)
def test_a_classifier_that_is_missing_or_of_another_architecture_is_one_sentence_before_any_scan_is_read(
    weights: dict[str, torch.Tensor] | None, message: str, tmp_path: Path
) -> None:
    if weights:
        torch.save({"model": weights}, tmp_path / "classifier.pt")
    files = [ROOT / "configs" / f"{name}.yaml" for name in ("train", "evaluate", "faithfulness")]
    parser = ConfigParser(ConfigParser.load_config_files(files))
    parser.update({"classifier_checkpoint": str(tmp_path / "classifier.pt"), "cohort": "/nowhere", "device": "cpu"})
    with pytest.raises(RuntimeError) as error:
        parser.get_parsed_content("faithfulness_evaluator")
    cause: BaseException = error.value
    while cause.__cause__ is not None:
        cause = cause.__cause__
    assert re.search(message, str(cause))


def test_the_independent_classifier_is_built_as_the_resnet_that_is_trained() -> None:
    files = [ROOT / "configs" / f"{name}.yaml" for name in ("baselines/resnet", "faithfulness")]
    parser = ConfigParser(ConfigParser.load_config_files(files))
    assert parser["classifier_def"] == parser["network_def"]
