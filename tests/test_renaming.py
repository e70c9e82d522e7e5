"""Old names on the command line and in overlays, and names of folders of any characters."""

import tempfile
from pathlib import Path

import pytest
import yaml
from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser

from bundle import CONFIGS, renaming
from bundle.guards import check_overrides, read_configs
from bundle.renaming import renew_arguments

FILES = ["run", "training", "--config_file", "['configs/train.yaml', 'configs/squares.yaml']"]


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Other old names than those of the last version."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(
        renaming, "RENAMED", {"epochs": "max_epochs", "weights": "loss_weights", "train#trainer#bf16": "train#trainer#amp"}
    )
    monkeypatch.setattr(renaming, "RENAMED_VALUES", {"key_metric": {"correlation": "ncc"}, "max_epochs": {"few": "2"}})
    monkeypatch.setattr(renaming, "RENAMED_RUNS", {"fit": "training"})


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
    assert first == "configs/train.yaml" and Path(copy).parent.name.startswith(renaming.COPIES) and len(sentences) == 4
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
    assert not set(renaming.RENAMED) & set(renaming.RENAMED.values())
    files = [CONFIGS / f"{name}.yaml" for name in ("train", "evaluate", "faithfulness")]
    configs = [ConfigParser(ConfigParser.load_config_files([file for file in files if file.is_file()]))]
    configs += [ConfigParser(ConfigParser.load_config_file(CONFIGS / "benchmark.yaml"))]
    assert [old for old, new in renaming.RENAMED.items() if not any(old in config or new in config for config in configs)] == []


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
    keys = [key for key in ConfigParser.load_config_file(file) if renaming.is_path(key)]
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
