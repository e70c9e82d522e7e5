"""Mistakes on the command line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bundle import CONFIGS
from bundle.guards import check_overrides, read_configs
from bundle.renaming import find_files

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
        ([*INFERENCE, "--region_threshold", "0.2", "--atlas", "none"],
         ["--region_threshold changes nothing without atlas, which is none"]),
        ([*FILES, "--classifier_batch_size", "4"],
         ["--classifier_batch_size changes nothing without classifier_epochs, which is 0"]),
        ([*FILES, "--classifier_batch_size", "4", "--classifier_epochs", "1"], []),
    ],
)  # fmt: skip
def test_keys_that_change_nothing_in_a_run_are_named(arguments: list[str], sentences: list[str], caplog) -> None:
    check_overrides(arguments)
    assert [record.getMessage() for record in caplog.records] == sentences


@pytest.mark.parametrize(
    ("run", "key", "place", "other"),
    [
        (INFERENCE, "atlas", "region_table#atlas", "aal"),
        (EVALUATION, "atlas", "scorer#regions#atlas", "aal"),
        (INFERENCE, "mirror_axis", "inferer#augmentation#mirror_axis", 0),
        (INFERENCE, "mirror_axis", "predictions#settings#mirror_axis", 0),
        (EVALUATION, "mirror_axis", "test_time_augmentation#mirror_axis", 0),
    ],
)
def test_none_is_a_word_of_the_command_line_and_null_of_a_file(run: list[str], key: str, place: str, other: object) -> None:
    check_overrides([*run, f"--{key}", "none"])
    with pytest.raises(ValueError, match=f"--{key} null is ignored by MONAI: write --{key} none"):
        check_overrides([*run, f"--{key}", "null"])
    config = read_configs(find_files(run))
    for given, value in (("none", None), (None, None), (other, other)):
        config[key] = given
        config.parse(reset=True)
        assert config.get_parsed_content(place) == value


@pytest.mark.parametrize(("run", "place"), [(INFERENCE, "inferer#augmentation"), (EVALUATION, "test_time_augmentation")])
def test_maps_of_volumes_alone_are_averaged_over_mirror_images(run: list[str], place: str) -> None:
    for overlays, axis in ((), None), (("configs/volumes.yaml",), 0):
        config = read_configs([*find_files(run), *overlays])
        assert config.get_parsed_content(f"{place}#mirror_axis") == axis


@pytest.mark.parametrize("files", [["train"], ["train", "evaluate"], ["inference"]])
def test_what_a_key_depends_on_is_in_the_config(files: list[str]) -> None:
    parser = read_configs([str(CONFIGS / f"{file}.yaml") for file in files])
    for key, needed in parser["only_with"].items():
        assert key in parser and needed in parser


@pytest.mark.slow
@pytest.mark.slow
def test_the_command_starts_anew_with_new_names(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "monai.bundle", "run", "evaluation", "--config_file", CONFIGS / "evaluate.yaml"]
    environment = os.environ | {"PYTHONPATH": str(CONFIGS.parent)}
    keys = ["--checkpoint", tmp_path / "none.pt", "--output_dir", tmp_path, "--bundle_root", tmp_path]
    done = subprocess.run([*command, *keys], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "the config files are read as --config_file" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ") and "none.pt does not exist" in done.stderr


TRAINING = ["run", "training", "--config_file", "configs/train.yaml"]
PREPARATION = ["run", "--config_file", "configs/prepare.yaml"]
VOLUMES = ["run", "--config_file", "['configs/inference.yaml', 'configs/volumes.yaml', 'configs/conversion.yaml']"]
WHOLE, NUMBER, SWITCH = "accepted is a whole number", "accepted is a number", "accepted are True and False"


@pytest.mark.parametrize(
    ("arguments", "accepted"),
    [
        ([*INFERENCE, "--prepare", "no"], SWITCH),
        ([*INFERENCE, "--prepare", "1"], SWITCH),
        ([*INFERENCE, "--preprocessing#transforms#3#allow_missing_keys", "off"], SWITCH),
        ([*INFERENCE, "--preprocessing#transforms#0#check_brains=maybe"], SWITCH),  # a reference to a plain default
        ([*INFERENCE, "--seed", "abc"], WHOLE),
        ([*INFERENCE, "--pixdim", "two"], NUMBER),
        ([*INFERENCE, "--max_voxels", "True"], NUMBER),
        ([*INFERENCE, "--threshold", "[0.5, 0.5]"], NUMBER),
        ([*INFERENCE, "--plane", "top"], NUMBER),
        ([*INFERENCE, "--image_size", "96"], r"accepted is a list, such as \[96, 112\]"),
        ([*INFERENCE, "--image_size", "[96, wide]"], "accepted is a list"),
        ([*INFERENCE, "--limits#scale", "[0.5, two]"], "accepted is a list"),
        ([*VOLUMES, "--plane", "top"], NUMBER),
        ([*VOLUMES, "--image_size", "[64, 80, 64.5]"], "accepted is a list"),
        ([*VOLUMES, "--generator#channels", "many"], WHOLE),
        ([*TRAINING, "--max_epochs", "1.5"], WHOLE),
        ([*TRAINING, "--batch_size", "4.0"], WHOLE),
        ([*TRAINING, "--classifier_batch_size", "four"], WHOLE),
        ([*TRAINING, "--regression", "off"], SWITCH),
        ([*TRAINING, "--loss_weights", "3"], "accepted is a table"),
        ([*PREPARATION, "--voxel_size", "one"], NUMBER),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused_with_its_key_and_what_is_accepted(arguments: list[str], accepted: str) -> None:
    key, value = " ".join(arguments[-2:]).rpartition("--")[2].replace("=", " ").split(" ", 1)
    with pytest.raises(ValueError, match=rf"--{key} cannot be {re.escape(value)}: {accepted}"):
        check_overrides(arguments)


@pytest.mark.parametrize(
    "options",
    [
        ["--prepare"],
        ["--prepare", "--num_samples", "4"],
        ["--prepare", "True", "--resume=False"],
        ["--pixdim", "2"],
        ["--pixdim", "[2.0, 2]"],  # one for each axis
        ["--plane", "-5"],
        ["--max_voxels", "1e8"],
        ["--seed", "$1 + 1"],
        ["--seed", "@cohort_seed"],
        ["--image_size", "$[32, 32]"],
        ["--target", "1", "--split", "test", "--clip_percentile", "99"],  # null in the config
        ["--device", "cpu"],
        ["--output_dir", "100307"],
        ["--reference", "'input'"],
        ["--export_formats", "[onnx]"],
        ["--limits#brain_volume", "[900, 2100]"],
    ],
)
@pytest.mark.parametrize("command", [INFERENCE, VOLUMES])
def test_values_of_the_kind_of_the_default_and_expressions_pass(command: list[str], options: list[str]) -> None:
    check_overrides([*command, *options])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--dataset_dir"], "--dataset_dir has no value: accepted is the name of a file or folder"),
        (["--dataset_dir", "--output_dir", "maps"], "--dataset_dir has no value"),
        (["--dataset_dir", ""], "--dataset_dir has no value"),
        (["--num_samples"], "--num_samples has no value: accepted is a whole number, such as 50"),
        (["--prepare="], "--prepare has no value: accepted are True and False"),
        (["--target", "--prepare"], "--target has no value: give one after it"),
        (["--scan_suffix"], "--scan_suffix has no value: accepted is a text, such as T1w"),
    ],
)
def test_a_key_without_a_value_is_named_unless_it_is_a_switch(options: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_overrides([*INFERENCE, *options])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("max_epochs: two", "gives max_epochs the value 'two': accepted is a whole number, such as 32"),
        ("resume: 'no'", "gives resume the value 'no': accepted are True and False"),
        ("learning_rate: 1e-4", "gives learning_rate the value '1e-4': accepted is a number, .* 1e-4 is a text in YAML"),
        ("+loss_weights: {kl: much}", "gives loss_weights#kl the value 'much': accepted is a number"),
        ("generator#channels: [8]", r"gives generator#channels the value \[8\]: accepted is a whole number, such as 24"),
        ("key_metric: off", "gives key_metric the value False: accepted is a text, such as auto"),
    ],
)
def test_a_value_of_another_kind_in_an_overlay_is_named(content: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"{content}\n")
    with pytest.raises(ValueError, match=rf"mine\.yaml {sentence}"):
        read_configs(["configs/train.yaml", str(tmp_path / "mine.yaml")])


def test_an_overlay_may_change_the_kind_of_what_may_become_anything(tmp_path: Path) -> None:
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(
        "epoch_length: null\nclip_norm: 1\naugmentation#translation: 2\nrank: {_target_: int}\nmax_epochs: $3 + 1\n"
    )
    files = f"['configs/train.yaml', '{overlay}']"
    check_overrides(["run", "--config_file", files, "--clip_norm", "0.5", "--augmentation#translation", "[1.0, 2.0]"])
    with pytest.raises(ValueError, match="--epoch_length cannot be some: accepted is a whole number, such as 125"):
        check_overrides(["run", "--config_file", files, "--epoch_length", "some"])


def test_a_config_file_that_is_not_there_is_named_with_the_nearest_ones() -> None:
    with pytest.raises(FileNotFoundError, match=r"file configs/trian\.yaml does not exist; did you mean configs/train\.yaml"):
        check_overrides(["run", "training", "--config_file", "configs/trian.yaml"])


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (FILES, "put configs/multi_gpu_train.yaml behind the other configs"),
        (EVALUATION, "put configs/multi_gpu_evaluate.yaml behind the other configs"),
        (INFERENCE, "put configs/multi_gpu_inference.yaml behind the other configs"),
        (["run", "--config_file", "configs/prepare.yaml"], "start it without torchrun"),
    ],
)
def test_several_processes_that_no_config_brings_together_are_refused(
    arguments: list[str], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_overrides(arguments)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match=f"^each of 2 processes would do the whole run of .*: {remedy}$"):
        check_overrides(arguments)


def test_processes_are_not_numbered_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    for options in (["--rank", "1"], ["--rank#timeout", "3"], ["--rank::timeout=3"]):
        with pytest.raises(ValueError, match=r"^--rank\S* needs processes that torchrun starts and configs/multi_gpu_train"):
            check_overrides([*FILES, *options])
    together = [*FILES[:3], "['configs/train.yaml','configs/multi_gpu_train.yaml']"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    check_overrides([*together, "--rank#timeout", "3"])
    with pytest.raises(ValueError, match=r"^--rank needs"):
        check_overrides([*together, "--rank", "1"])
