"""Mistakes and old names on the command line, and how errors are shown."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser

from bundle import CONFIGS, guards
from bundle.data import read_manifest
from bundle.guards import INTERRUPT_STATUS, INTERRUPTED, check_overrides, interrupt, read_configs, renew_arguments, show_error

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


def test_the_traceback_can_be_shown(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other old names than those of the last version."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(
        guards, "RENAMED", {"epochs": "max_epochs", "weights": "loss_weights", "train#trainer#bf16": "train#trainer#amp"}
    )
    monkeypatch.setattr(guards, "RENAMED_VALUES", {"key_metric": {"correlation": "ncc"}, "max_epochs": {"few": "2"}})
    monkeypatch.setattr(guards, "RENAMED_RUNS", {"fit": "training"})


def test_old_names_on_the_command_line_are_replaced(renamed: None) -> None:
    given = ["run", "fit", *FILES[2:], "--epochs", "few", "--weights#kl=0.1", "--seed", "1", "--train#trainer#bf16", "@weights"]
    new, sentences = renew_arguments(given)
    assert new == [*FILES, "--max_epochs", "2", "--loss_weights#kl=0.1", "--seed", "1", "--train#trainer#amp", "@loss_weights"]
    assert "epochs is called max_epochs now; the old name is accepted until version 0.3" in sentences
    assert len(sentences) == 5 and "few is called 2 now; the old name is accepted until version 0.3" in sentences
    check_overrides(new)


def test_a_command_line_of_new_names_stays_as_it_is() -> None:
    given = [*FILES, "--max_epochs", "3", "--loss_weights#kl=0.1", "--key_metric", "ncc"]
    assert renew_arguments(given) == (given, [])
    for file in ("configs/train.yaml", "['configs/train.yaml','configs/squares.yaml']"):
        assert renew_arguments(["run", "training", "--config_file", file]) == (["run", "training", "--config_file", file], [])
    assert renew_arguments(["-q", "tests"]) == (["-q", "tests"], [])


def test_an_overlay_with_old_names_is_copied_with_new_ones(renamed: None, tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    old = {"epochs": 3, "+weights": {"kl": 0.1}, "weights#map": 0.0, "train#trainer": {"bf16": True}, "key_metric": "correlation"}
    overlay.write_text(yaml.safe_dump(old | {"warmup_epochs": "$@epochs // 2", "image_size": [32, 32]}, sort_keys=False))
    new, sentences = renew_arguments(["run", "training", "--config_file", f"['configs/train.yaml', '{overlay}']"])
    first, copy = yaml.safe_load(new[3])
    assert first == "configs/train.yaml" and Path(copy).parent.name.startswith(guards.COPIES) and len(sentences) == 4
    expected = {"max_epochs": 3, "+loss_weights": {"kl": 0.1}, "loss_weights#map": 0.0, "train#trainer": {"amp": True}}
    expected |= {"key_metric": "ncc", "warmup_epochs": "$@max_epochs // 2", "image_size": [32, 32]}
    assert yaml.safe_load(Path(copy).read_text()) == expected
    overlay.write_text("max_epochs: 3\n")
    assert renew_arguments(["run", "--config_file", f"['configs/train.yaml', '{overlay}']"])[1] == []


def test_evaluation_alone_gets_the_config_of_the_training_in_front() -> None:
    new, (sentence,) = renew_arguments(["run", "evaluation", "--config_file", "['configs/evaluate.yaml','configs/volumes.yaml']"])
    assert new[3] == "['configs/train.yaml', 'configs/evaluate.yaml', 'configs/volumes.yaml']"
    assert new[3] in sentence


def test_no_new_name_is_an_old_one_and_the_configs_have_either() -> None:
    assert not set(guards.RENAMED) & set(guards.RENAMED.values())
    files = [CONFIGS / f"{name}.yaml" for name in ("train", "evaluate", "faithfulness")]
    configs = [ConfigParser(ConfigParser.load_config_files([file for file in files if file.is_file()]))]
    configs += [ConfigParser(ConfigParser.load_config_file(CONFIGS / "benchmark.yaml"))]
    assert [old for old, new in guards.RENAMED.items() if not any(old in config or new in config for config in configs)] == []


NAMES = ("100307", "20241128", "1e3", "True", "true", "007", "Study #1", "/data/a#b", "a,b", "[x]", "2024_11", "{a}", "(a)",
         "0x10", "-1 ", "@eaDir", "#1", "M\u0308u", "M\udcfcller", "it's #2", 'say "#"', "a::b", "ﬁle", "'quoted'#3")  # fmt: skip


def read_option(key: str, value: str, file: Path = CONFIGS / "inference.yaml") -> object:
    """Return what Fire and MONAI make of an option after it was renewed."""
    arguments, sentences = renew_arguments(["run", "--config_file", str(file), f"--{key}", value])
    assert sentences == [] and renew_arguments(arguments) == (arguments, [])  # it starts anew once
    parser = ConfigParser(ConfigParser.load_config_file(file))
    parser.update({key: DefaultParseValue(arguments[-1])})
    return parser.get_parsed_content(key)


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_may_have_any_name(name: str) -> None:
    assert read_option("dataset_dir", name) == name


@pytest.mark.parametrize("config", ["train", "inference", "prepare", "benchmark"])
def test_every_path_of_every_config_may_be_a_number_and_have_a_hash(config: str) -> None:
    file = CONFIGS / f"{config}.yaml"
    keys = [key for key in ConfigParser.load_config_file(file) if guards.is_path(key)]
    assert {"bundle_root", "dataset_dir", "output_dir"} <= set(keys)
    for key in keys:
        assert [read_option(key, name, file) for name in ("100307", "Study #1")] == ["100307", "Study #1"]


def test_what_is_no_name_is_read_as_before() -> None:
    assert read_option("output_dir", "$@bundle_root + '/x'") == "./x"
    assert read_option("output_dir", "@bundle_root") == "."
    assert read_option("output_dir", "'100307'") == "100307"
    assert [read_option(key, value) for key, value in (("num_samples", "100"), ("image_size", "[96,112]"))] == [100, [96, 112]]
    assert read_option("reference", "'input'") == "input"


def test_an_overlay_may_name_a_folder_with_a_hash_and_one_that_is_no_text_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("dataset_dir: 'Study #1'\n")
    arguments, _ = renew_arguments(["run", "--config_file", f"['configs/inference.yaml', '{overlay}']"])
    assert read_configs(yaml.safe_load(arguments[2])).get_parsed_content("dataset_dir") == "Study #1"
    overlay.write_text("dataset_dir: 100307\n")
    with pytest.raises(ValueError, match=r"mine\.yaml gives dataset_dir the value 100307, which is no text: write it in quotes"):
        read_configs(["configs/inference.yaml", str(overlay)])


@pytest.fixture
def own_handler() -> Iterator[None]:
    """Put pytest's handler of Ctrl-C back."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_in_one_sentence_with_its_status(own_handler: None, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        try:
            interrupt()
        except KeyboardInterrupt:
            show_error(*sys.exc_info())
    assert caught.value.code == INTERRUPT_STATUS == 130
    assert capsys.readouterr().err.strip() == INTERRUPTED
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # a second one while it ends changes nothing


def test_a_second_ctrl_c_ends_what_the_first_one_did_not(own_handler: None, tmp_path: Path) -> None:
    def work() -> None:
        os.dup2(os.open(tmp_path / "log", os.O_CREAT | os.O_WRONLY), 2)
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        signal.signal(signal.SIGINT, interrupt)
        for _ in range(2):
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:  # somebody's clean-up, which takes long
                continue
            time.sleep(60)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(30)
    assert process.exitcode == INTERRUPT_STATUS
    assert (tmp_path / "log").read_text().strip() == INTERRUPTED


@pytest.mark.slow
def test_the_command_starts_anew_with_new_names(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "monai.bundle", "run", "evaluation", "--config_file", CONFIGS / "evaluate.yaml"]
    environment = os.environ | {"PYTHONPATH": str(CONFIGS.parent)}
    keys = ["--checkpoint", tmp_path / "none.pt", "--output_dir", tmp_path, "--bundle_root", tmp_path]
    done = subprocess.run([*command, *keys], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "the config files are read as --config_file" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ") and "none.pt does not exist" in done.stderr
