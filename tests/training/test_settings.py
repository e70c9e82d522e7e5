from pathlib import Path

import pandas as pd
import pytest

from bundle.files import hold_folder, save_tensors
from bundle.training import Phase, check_folder, check_settings, choose_key_metric
from bundle.training.trainer import LOCK

SETTINGS = {
    "phases": [Phase(1, 4, {"kl": 1.0}, {}), Phase(None, 6, {"kl": 1.0}, {"domain_class": 1.0})],
    "num_classes": 2,
    "max_epochs": 2,
    "epoch_length": 10,
    "warmup_iterations": 5,
}


@pytest.mark.parametrize("changes", [{}, {"epoch_length": None}, {"warmup_iterations": 500}, {"max_epochs": 1}])
def test_settings_that_fit_are_accepted(changes: dict) -> None:
    check_settings(**SETTINGS | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 3}, "batch_size must be a multiple of the 3 classes, got 4"),
        ({"phases": [Phase(1, 5, {}, {})]}, "batch_size must be a multiple of the 2 classes, got 5"),
        ({"warmup_iterations": -1}, "warmup_iterations must be at least 0, got -1"),
        ({"max_epochs": 0}, "max_epochs must be at least 1, for an epoch of the whole objective, got 0"),
        ({"epoch_length": 0}, "epoch_length must be at least 1 iteration, or null for all scans, got 0"),
        ({"val_interval": 0}, "val_interval must be at least 1 epoch, got 0"),
        ({"max_epochs": 5, "val_interval": 6}, "no epoch of the whole objective, 2 to 5, is validated with val_interval 6"),
        (
            {"learning_rates": {"discriminator_learning_rate": -1}},
            "discriminator_learning_rate must be a number of at least 0, got",
        ),
        ({"learning_rates": {"learning_rate": "high"}}, "^learning_rate must be a number of at least 0, got 'high'"),
        ({"learning_rates": {"learning_rate": float("nan")}}, "^learning_rate must be a number of at least 0, got nan"),
        ({"read_interval": 0}, "read_interval must be a whole number of at least 1, got 0"),
        ({"num_workers": -1}, "num_workers must be a whole number of at least 0, got -1"),
        ({"num_workers": 1.5}, "num_workers must be a whole number of at least 0, got 1.5"),
        ({"amp": "off"}, "amp must be True or False, got 'off'"),
        ({"phases": []}, "phases must be a list that ends with the phase of the whole objective"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_settings(**SETTINGS | changes)


def test_a_folder_of_another_training_is_refused_before_the_scans_are_read(tmp_path: Path) -> None:
    check_folder(tmp_path, {"seed": 0}, resume=True)
    save_tensors(tmp_path / "state.pt", {"settings": {"seed": "0"}})
    check_folder(tmp_path, {"seed": 0}, resume=True)
    check_folder(tmp_path, {"seed": 1}, resume=False)
    with pytest.raises(ValueError, match=r"state\.pt is of a run with other seed: give another output_dir"):
        check_folder(tmp_path, {"seed": 1}, resume=True)
    with hold_folder(tmp_path, tmp_path / LOCK, "ckpt_dir"), pytest.raises(ValueError, match="is being written"):
        check_folder(tmp_path, {"seed": 0}, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_ncc_decides_where_the_validation_split_has_truths_and_else_the_agreement_of_maps() -> None:
    manifest = pd.DataFrame({"split": ["train", "validation"], "mask": ["m.nii", None]})
    assert choose_key_metric("auto", manifest) == "agreement"
    assert choose_key_metric("auto", manifest.assign(disease_map="d.nii")) == "ncc"
    assert choose_key_metric("accuracy", manifest) == "accuracy"
    with pytest.raises(ValueError, match="no lesion masks and no disease maps for key_metric ncc: use agreement or auto"):
        choose_key_metric("ncc", manifest)


def test_a_key_metric_that_is_not_measured_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="key_metric must be one of auto, ncc, accuracy, got 'auc'"):
        choose_key_metric("auc", pd.DataFrame({"split": ["validation"]}), ["ncc", "accuracy"])
