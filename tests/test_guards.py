"""Mistakes on the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bundle import CONFIGS
from bundle.guards import check_overrides, read_configs

FILES = ["run", "training", "--config_file", "['configs/train.yaml', 'configs/squares.yaml']"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        FILES,
        [*FILES, "--max_epochs", "3", "--train#trainer#max_epochs", "2", "--loss_weights#kl=0.1"],
        ["run", "--config_file=configs/train.yaml", "--seed", "1"],
    ],
)
def test_known_keys_pass(arguments: list[str]) -> None:
    check_overrides(arguments)


@pytest.mark.parametrize("key", ["max_epoch", "loss_weights#kll", "train#trainer#max_epoch"])
def test_unknown_keys_are_named(key: str) -> None:
    with pytest.raises(ValueError, match=f"has no key {key}"):
        check_overrides([*FILES, f"--{key}", "3"])


def test_an_unknown_run_is_named() -> None:
    with pytest.raises(ValueError, match=r"has no run trainning; did you mean training\?"):
        check_overrides(["run", "trainning", *FILES[2:]])


def test_a_mistyped_key_of_an_overlay_is_named(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("loss_weightz: {kl: 1}\n")
    with pytest.raises(ValueError, match=r"mine\.yaml has the key loss_weightz, .*did you mean loss_weights\?"):
        check_overrides(["run", "--config_file", f"['configs/train.yaml', '{overlay}']"])


def test_a_key_of_another_form_is_named_with_what_is_in_its_place(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("augmentation: {_target_: Compose, transforms: []}\n")
    sentence = "augmentation#transforms, which no config has; in its place: the keys of augmentation, as in train.yaml"
    with pytest.raises(ValueError, match=sentence):
        check_overrides(["run", "--config_file", f"['configs/train.yaml', '{overlay}']"])
    with pytest.raises(ValueError, match=r"no key augmentation#transforms#0#prob; in its place: the keys"):
        check_overrides([*FILES, "--augmentation#transforms#0#prob", "0"])


INFERENCE = ["run", "--config_file", "configs/inference.yaml"]
EVALUATION = ["run", "evaluation", "--config_file", "['configs/train.yaml', 'configs/evaluate.yaml']"]


@pytest.mark.parametrize(
    ("arguments", "sentences"),
    [
        ([*INFERENCE, "--interval_level", "0.8"], ["--interval_level changes nothing without calibration, which is None"]),
        ([*INFERENCE, "--interval_level", "0.8", "--calibration", "calibration.pt"], []),
        ([*INFERENCE, "--limits#num_slices=5"], ["--limits#num_slices changes nothing without prepare, which is False"]),
        ([*INFERENCE, "--limits::num_slices", "5", "--prepare", "True"], []),
        ([*INFERENCE, "--num_steps", "5"], ["--num_steps changes nothing: the run run does not use it"]),
        (["run", "interpolation", *INFERENCE[1:], "--num_steps", "5", "--dataloader#num_workers", "2"],
         ["--dataloader#num_workers changes nothing: the run interpolation does not use it"]),
        ([*EVALUATION, "--uncertainty#num_calibration", "9"],
         ["--uncertainty#num_calibration changes nothing without uncertainty#attribute_sources, which is []"]),
        ([*EVALUATION, "--uncertainty#num_calibration", "9", "--uncertainty#attribute_sources", "[prior]"], []),
        ([*FILES, "--classifier_batch_size", "4"],
         ["--classifier_batch_size changes nothing without classifier_epochs, which is 0"]),
        ([*FILES, "--classifier_batch_size", "4", "--classifier_epochs", "1"], []),
    ],
)  # fmt: skip
def test_keys_that_change_nothing_in_a_run_are_named(arguments: list[str], sentences: list[str], caplog) -> None:
    check_overrides(arguments)
    assert [record.getMessage() for record in caplog.records] == sentences


@pytest.mark.parametrize("files", [["train"], ["train", "evaluate"], ["inference"]])
def test_what_a_key_depends_on_is_in_the_config(files: list[str]) -> None:
    parser = read_configs([str(CONFIGS / f"{file}.yaml") for file in files])
    for key, needed in parser["only_with"].items():
        assert key in parser and needed in parser


@pytest.mark.slow
def test_the_command_starts_anew_with_new_names(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "monai.bundle", "run", "evaluation", "--config_file", CONFIGS / "evaluate.yaml"]
    environment = os.environ | {"PYTHONPATH": str(CONFIGS.parent)}
    keys = ["--checkpoint", tmp_path / "none.pt", "--output_dir", tmp_path, "--bundle_root", tmp_path]
    done = subprocess.run([*command, *keys], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "the config files are read as --config_file" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ") and "none.pt does not exist" in done.stderr
