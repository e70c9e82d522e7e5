"""The table of commands: the config files of each, its entry point, and the key that each of its options stands for."""

import argparse
import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bundle import SHIPPED
from bundle.command_line.options import (
    COHORT,
    DEVICE,
    EVALUATION,
    NAMES,
    NETWORK,
    OUTPUT,
    SAMPLES,
    SCANS,
    SEED,
    WORKERS,
    WRITTEN_COHORT,
    Option,
    read_design,
    read_file,
    read_folder,
    read_name,
    read_number,
    read_source,
    read_table,
    read_word,
)
from bundle.old_names import GONE, RENAMED
from bundle.overlays import find_overlay

START = "bundle.command_line.start"  # MONAI's bundle, quieter


class Command(NamedTuple):
    """A command, such as `icam explain`.

    Attributes:
        help: what it does, in a few words.
        description: the same in a few sentences.
        example: its arguments in an example.
        files: config files, by their names in the bundle.
        entry: entry point of the configs; empty for their first one.
        options: what people need; everything else is a key, `--set KEY=VALUE`.
    """

    help: str
    description: str
    example: str
    files: tuple[str, ...]
    entry: str
    options: tuple[Option, ...]


COMMANDS: dict[str, Command] = {
    "explain": Command(
        "classes and attribution maps of scans",
        "Classify scans, and show for each what would turn it into a scan of another class. A scan that cannot be read is named"
        " and left out; the exit status is then 1. The same command goes on where it was stopped.",
        "scans --network conversion --output maps",
        ("inference",),
        "",
        (
            SCANS, NETWORK, OUTPUT, SAMPLES,
            Option("--target", "target", "class that all scans are translated to, name or number; the most likely other one when"
                   " none is given", read_name, "NAME"),
            Option("--prepare", "prepare", "the scans are whole heads: extract the brain and align it first; maps lie on heads",
                   None),
            Option("--split", "split", "rows of the table to take: train, validation or test; all when none is given", read_word,
                   "NAME"),
            SEED, DEVICE, WORKERS,
        ),
    ),
    "phenotypes": Command(
        "what the maps of a class vary in",
        "Draw modes and clusters of the maps towards a class, on the content of one scan, and place scans among them."
        " phenotypes.html in the output folder has the pictures.",
        "scans --network conversion --output phenotypes",
        ("inference",),
        "phenotypes",
        (
            SCANS, NETWORK, OUTPUT,
            Option("--class", "phenotype_class", "the class, name or number; the last one when none is given", read_name, "NAME"),
            Option("--content", "content_scan", "scan on which all maps are drawn; the first of another class when none is given",
                   read_source, "FILE"),
            Option("--samples", "phenotype_samples", "maps that are drawn", read_number(2), "NUMBER"),
            Option("--split", "split", "rows of the table to take: train, validation or test; all when none is given", read_word,
                   "NAME"),
            SEED, DEVICE,
        ),
    ),
    "train": Command(
        "train a network",
        "Train a network on a cohort, or on simulated lesions when there is none. The best network goes to train/model.pt in the"
        " output folder. The same command goes on where it was stopped.",
        "--cohort my_cohort --output output/mine",
        ("train",),
        "training",
        (
            COHORT,
            Option("--network", "network", f"design of the network, as in {NAMES}: slices for lesions, volumes for the others",
                   read_design, "NAME"),
            OUTPUT,
            Option("--epochs", "max_epochs", "length of the training", read_number(1), "NUMBER"),
            Option("--init-from", "init_from", "file of a trained network to start from", read_file, "FILE"),
            SEED, DEVICE,
        ),
    ),
    "evaluate": Command(
        "how good classes and maps are",
        "Measure classes and maps of a trained network on the test scans of a cohort. Tables, and index.html with a page for each"
        " scan, go to eval in the output folder.",
        "--cohort my_cohort --network output/mine/train/model.pt --output output/mine",
        ("train", "evaluate"),
        "evaluation",
        EVALUATION,
    ),
    "report": Command(
        "page with results and pictures",
        "Write a page with figures, maps and learning curves of an evaluation: report/index.html in its output folder."
        " icam evaluate, with the same options, comes first.",
        "--cohort my_cohort --network output/mine/train/model.pt --output output/mine",
        ("train", "evaluate"),
        "report",
        EVALUATION,
    ),
    "prepare": Command(
        "from whole heads to a cohort",
        "Bring scans as the scanner gave them into the form that networks take: brain without skull, bias field corrected,"
        " aligned with MNI152. Look at overview.html in the output folder afterwards.",
        "heads --output prepared --workers 4",
        ("prepare",),
        "",
        (SCANS, OUTPUT, WORKERS),
    ),
    "group": Command(
        "means and tests of the maps of many scans",
        "Put the maps of scans in template space together: mean and spread by class and direction, tests voxel by voxel against"
        " zero and between groups, with covariates, pictures and a paragraph on the methods. Look at index.html in the output"
        " folder.",
        "maps --participants people.tsv --groups sex F M --covariates age site --output group",
        ("group",),
        "group",
        (
            Option("RESULTS", "results_dir", "folders that icam explain has written", read_folder, several=True),
            Option("--participants", "participants", "table with groups and covariates, and one of the columns name, scan, image,"
                   " participant_id", read_table, "TABLE"),
            Option("--groups", "groups", "column, and the values of two groups", read_name, "NAME", several=True),
            Option("--covariates", "covariates", "columns that are accounted for", read_name, "NAME", several=True),
            Option("--correction", "correction", "fdr, max_t or tfce: control of multiple comparisons", read_word, "NAME"),
            Option("--permutations", "num_permutations", "number of permutations", read_number(1), "NUMBER"),
            Option("--smoothing", "smoothing_fwhm", "full width at half maximum of a Gaussian over each map, mm", read_number(0),
                   "NUMBER"),
            OUTPUT, SEED,
        ),
    ),
    "list": Command(
        "what is in a cohort",
        "Count participants, scans, ages and sexes of a cohort by split and class, and write its table, without reading images.",
        "--cohort adni_bids --config data/adni --output output/adni",
        ("train",),
        "listing",
        (WRITTEN_COHORT._replace(required=True, help="folder with scans and their table"), OUTPUT),
    ),
    "benchmark": Command(
        "compare methods",
        "Train and score ICAM, its ablations and other methods on one cohort. It takes hours; the same command goes on where it"
        " was stopped. Run it in the root of the repository.",
        "--methods icam resnet --output output/benchmark",
        ("benchmark",),
        "benchmark",
        (
            COHORT, OUTPUT,
            Option("--methods", "only", "names of the methods; all when nothing is given", read_word, "NAME", several=True),
            Option("--jobs", "num_jobs", "runs at the same time", read_number(1), "NUMBER"),
        ),
    ),
}  # fmt: skip


def read_setting(text: str) -> tuple[str, str]:
    """Return key and value of KEY=VALUE."""
    key, sign, value = text.partition("=")
    if not sign or not re.fullmatch(r"\w[\w#:]*", key):
        raise argparse.ArgumentTypeError(f"accepted is KEY=VALUE, such as batch_size=4, got {text}")
    if key in ("config_file", "run_id"):
        raise argparse.ArgumentTypeError(f"{key} is none of the config's keys: config files are given by --config")
    return key, value


def build_arguments(
    command: Command, given: Mapping[str, str | list[str] | None], configs: Sequence[str], settings: Mapping[str, str]
) -> list[str]:
    """Return the arguments of `python -m monai.bundle` that a command stands for.

    Args:
        command: the command.
        given: value of the key of each of its options; absent or None for those that are not given.
        configs: further config files, files or names of those of the bundle.
        settings: further keys, which count where an option gives the same key.

    Raises:
        FileNotFoundError: When there is no such config file.
        ValueError: When the name of one has a comma or a quote, or none has one of the further keys.
    """
    names, keys = list(command.files), dict[str, str]()
    for option in command.options:
        value = given.get(option.key)
        if option.flag == NETWORK.flag and value in SHIPPED:
            names += SHIPPED[str(value)][1]
        elif value is not None:
            keys[option.key] = value if isinstance(value, str) else write_list(value, option.read is read_folder)
    paths = [find_overlay(name) for name in [*names, *configs]]
    check_keys(paths, settings)
    files = [show_path(path) for path in paths]
    if any(mark in file for file in files for mark in ",'\""):
        raise ValueError(f"--config: names without commas and quotes are accepted, got {files[-1]}")
    arguments = ["run", *([command.entry] if command.entry else []), "--config_file"]
    arguments.append(files[0] if len(files) == 1 else f"[{','.join(map(repr, files))}]")
    for key, value in {**keys, **settings}.items():
        arguments += [f"--{key}={value}"] if value.startswith("-") else [f"--{key}", value]
    return arguments


def write_list(values: Sequence[str], folders: bool) -> str:
    """Return several values as one of MONAI's bundle, in the form in which `bundle.guards` has nothing to quote.

    Args:
        values: names.
        folders: whether they are those of folders: one is itself, and several are a list that the config computes.
    """
    if not folders:
        return f"[{','.join(map(repr, values))}]"
    return values[0] if len(values) == 1 else "$" + json.dumps(values).replace("#", r"\u0023").replace("@", r"\u0040")


def check_keys(files: Sequence[Path], keys: Iterable[str]) -> None:
    """Refuse keys that no config file has, without MONAI, which takes seconds to start and checks the rest.

    Args:
        files: config files.
        keys: outer#inner; names of earlier versions are accepted, and renamed when the command runs.

    Raises:
        ValueError: When a key is in none of the files.
    """
    keys = [key.replace("::", "#") for key in keys]
    if not keys:
        return
    try:
        contents = [yaml.load(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)) for file in files]
    except yaml.YAMLError:  # MONAI names the place
        return
    values = {
        name.removeprefix("+").replace("::", "#"): value
        for content in contents
        if isinstance(content, dict)
        for name, value in content.items()
    }
    for key in keys:
        if key in RENAMED or key.split("#")[0] in RENAMED or any(_has_key(name, value, key) for name, value in values.items()):
            continue
        gone = next((name for name in GONE if f"{key}#".startswith(f"{name}#")), "")
        near = [] if key.split("#")[0] in values else difflib.get_close_matches(key.split("#")[0], values, n=1)
        hint = f"; in its place: {GONE[gone]}" if gone else f"; did you mean {near[0]}?" if near else ""
        names = " and ".join(show_path(file) for file in files)
        raise ValueError(f"--set: {names} has no key {key}{hint} (keys inside others are written outer#inner)")


def _has_key(name: str, value: Any, key: str) -> bool:
    """Return whether a key is that of a value, lies in it, or holds it."""
    if f"{name}#".startswith(f"{key}#"):
        return True
    if not key.startswith(f"{name}#"):
        return False
    for part in key.removeprefix(f"{name}#").split("#"):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict) and part in value:
            value = value[part]
        else:
            return False
    return True


def show_path(path: Path) -> str:
    """Return a path as it is written from the current folder, where it lies below it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def write_command(arguments: Sequence[str]) -> str:
    """Return the command line of `python -m monai.bundle`, for a shell."""
    return " ".join(["python -m monai.bundle", *map(_quote, arguments)])


def _quote(word: str) -> str:
    """Return a word for a shell, in double quotes where they are enough, as the pages write lists."""
    if re.fullmatch(r"[\w@%+=:,./#-]+", word) and not word.startswith("#"):
        return word
    return f'"{word}"' if not re.search(r'["$`\\!]', word) else "'" + word.replace("'", "'\"'\"'") + "'"
