"""Mistakes on the command line, and how errors are shown."""

import sys
from pathlib import Path

import pytest

from bundle.data import read_manifest
from bundle.guards import check_overrides, show_error

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


def shown(capsys: pytest.CaptureFixture) -> str:
    show_error(*sys.exc_info())
    return capsys.readouterr().err


def test_an_error_of_input_is_one_sentence_however_it_is_wrapped(capsys: pytest.CaptureFixture) -> None:
    try:
        try:
            read_manifest("/nowhere")
        except FileNotFoundError as error:
            raise RuntimeError("Failed to instantiate component") from error
    except RuntimeError:
        output = shown(capsys)
    assert output.startswith("Error: dataset_dir /nowhere") and output.count("\n") == 1


def test_any_other_error_keeps_its_traceback(capsys: pytest.CaptureFixture) -> None:
    try:
        raise ValueError("not ours")
    except ValueError:
        assert "Traceback" in shown(capsys)


def test_the_traceback_can_be_asked_for(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICAM_TRACEBACK", "1")
    try:
        read_manifest("/nowhere")
    except FileNotFoundError:
        assert "Traceback" in shown(capsys)


def test_a_mistyped_key_of_an_overlay_is_named(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("loss_weightz: {kl: 1}\n")
    with pytest.raises(ValueError, match=r"mine\.yaml has the key loss_weightz, .*did you mean loss_weights\?"):
        check_overrides(["run", "--config_file", f"['configs/train.yaml', '{overlay}']"])
