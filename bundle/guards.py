"""Checks of a command line before it runs: the configs, their runs and their keys."""

import atexit
import copy
import difflib
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser, ReferenceResolver
from monai.bundle.utils import merge_kv

from bundle import CONFIGS
from bundle.errors import interrupt, show_error
from bundle.kinds import ALONE, find_accepted, list_values
from bundle.old_names import GONE, RENAMED
from bundle.renaming import COPIES, find_files, is_path, list_options, renew_arguments

BASES = ("train", "evaluate", "inference", "baselines/attribution", "faithfulness")
OPTIONS = {"config_file", "meta_file", "logging_file", "run_id", "init_id", "final_id", "args_file", "tracking", "workflow_name"}
ALWAYS = ("imports", "initialize", "finalize")  # what MONAI evaluates beside the run
NONE, WITH_NONE = "none", ("atlas", "mirror_axis")  # word that a command line can give in place of null, and keys that accept it
CONDITIONS = "only_with"  # key of a config: keys, and the one without which each changes nothing

logger = logging.getLogger(__name__)


def guard_run() -> None:
    """Guard a command: refuse unknown keys, start anew with new names for old ones, and end in one sentence.

    Errors of input are one sentence, and so is Ctrl-C, with exit status 130; a second Ctrl-C ends the program at once.

    Raises:
        ValueError: When a key on the command line is not in the config.
    """
    sys.excepthook = show_error
    given = sys.argv[1:]
    renewed, sentences = renew_arguments(given)
    if renewed != given:
        print(*sentences, sep="\n", end="\n" * bool(sentences), file=sys.stderr, flush=True)
        interpreter = sys.orig_argv[: len(sys.orig_argv) - len(given)]
        os.execv(sys.executable, [*interpreter, *renewed])
    for folder in {Path(file).parent for file in find_files(given) if Path(file).parent.name.startswith(COPIES)}:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    check_overrides(given)
    if find_files(given) and threading.current_thread() is threading.main_thread():  # and not in somebody's own program
        signal.signal(signal.SIGINT, interrupt)


def check_overrides(arguments: Sequence[str]) -> None:
    """Check that the run, and the key of every `--key value`, stand in the config files, and that the value is of their kind.

    MONAI adds a mistyped key to the config without a word, and the run goes on with the old value. Keys that change nothing are
    named in a warning.

    Args:
        arguments: command line of `python -m monai.bundle`.

    Raises:
        ValueError: When a run or a key is not in the config, a value is of another kind or would not be read as it is meant, or
            several processes are started that no config brings together.
    """
    files = find_files(arguments)
    if not files:
        return
    configs = _stack_configs(files)
    parser = configs[-1]
    run = next(iter(arguments[1:]), "--") if arguments[0] == "run" else "--"
    if not run.startswith("--") and run not in parser:
        raise ValueError(f"{' and '.join(files)} has no run {run}{suggest(run, parser.get())}")
    options = {key.replace("::", "#"): value for _, key, value in list_options(arguments) if key not in OPTIONS}
    _check_ranks(parser, files, options)
    values = dict[str, Any]()
    for key, value in options.items():
        if value in ("true", "false") and not is_path(key):
            raise ValueError(f"--{key} {value} is read as a text: write True or False")
        if value in ("None", "null"):
            remedy = f"--{key} none" if key in WITH_NONE else f"null in a config file given after {files[-1]}"
            raise ValueError(f"--{key} {value} is ignored by MONAI: write {remedy}")
        if key not in parser:
            hint = suggest(key, parser.get())
            raise ValueError(f"{' and '.join(files)} has no key {key}{hint} (keys inside others are written outer#inner)")
        values[key] = _check_value(configs, key, value)
    if os.environ.get("RANK", "0") == "0":
        for sentence in find_idle_keys(parser, "run" if run.startswith("--") else run, values):
            logger.warning("%s", sentence)


def _check_ranks(parser: ConfigParser, files: Sequence[str], options: Iterable[str]) -> None:
    """Check that several processes are brought together by a config, and not by hand."""
    names = {"evaluation": "evaluate", "evaluating": "inference", "training": "train"}  # by their runs; evaluation trains too
    overlay = next((f"configs/multi_gpu_{name}.yaml" for run, name in names.items() if run in parser), None)
    together, count = isinstance(parser.get("rank"), dict), os.environ.get("WORLD_SIZE", "1")
    if count != "1" and not together:
        remedy = f"put {overlay} behind the other configs" if overlay and "rank" in parser else "start it without torchrun"
        raise ValueError(f"each of {count} processes would do the whole run of {' and '.join(files)}: {remedy}")
    for key in options:
        if overlay and (key == "rank" or (key.startswith("rank#") and not together)):
            raise ValueError(f"--{key} needs processes that torchrun starts and {overlay} brings together: see docs/scale.md")


def _check_value(configs: Sequence[ConfigParser], key: str, text: str | None) -> Any:
    """Return what Fire reads a value of the command line as; refuse one that is of another kind than in the config files."""
    empty = text is None or (not text and is_path(key))
    value = ALONE if empty else DefaultParseValue(text)
    for name, inner in list_values(key, value):
        given = [inner] if empty or name != key else [value, text]  # 100 is a number, and a text where one is accepted
        accepted = [find_accepted(configs, name, each) for each in given]
        if all(accepted):
            raise ValueError(f"--{name} {'has no value' if not text else f'cannot be {given[-1]}'}: {accepted[0]}")
    return value is ALONE or value


def find_idle_keys(parser: ConfigParser, run: str, options: Mapping[str, Any]) -> list[str]:
    """Look for keys that cannot change anything.

    Args:
        parser: The config.
        run: What is run.
        options: Keys of the command line, and their values; all are in the config.

    Returns:
        A sentence for each key that the run does not refer to, or that has an effect only with another which is off.
    """
    used, waiting = set[str](), [run, *ALWAYS]
    while waiting:
        if (name := waiting.pop()) in parser and name not in used:
            used.add(name)
            waiting += [
                found.replace("::", "#")
                for text in _list_texts(parser[name])
                for found in ReferenceResolver.match_refs_pattern(text)
            ]
    sentences = []
    for key in options:
        if not any(f"{name}#".startswith(f"{key}#") or f"{key}#".startswith(f"{name}#") for name in used):
            sentences.append(f"--{key} changes nothing: the run {run} does not use it")
        for outer, needed in parser.get(CONDITIONS, {}).items():
            value = options.get(needed, parser[needed])
            if f"{key}#".startswith(f"{outer}#") and (not value or (needed in WITH_NONE and value == NONE)):
                sentences.append(f"--{key} changes nothing without {needed}, which is {value}")
    return sentences


def _list_texts(content: Any) -> Iterator[str]:
    """Yield all texts in a part of a config."""
    if isinstance(content, dict | list):
        for item in content.values() if isinstance(content, dict) else content:
            yield from _list_texts(item)
    elif isinstance(content, str):
        yield content


def read_configs(files: Sequence[str]) -> ConfigParser:
    """Read config files of which the later ones change the first.

    Args:
        files: config files; overlays may have keys of other base configs too, which the first does not need.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When an overlay is no table of keys, has a key that no config has, or a value of another kind than they have.
    """
    return _stack_configs(files)[-1]


def _stack_configs(files: Sequence[str]) -> list[ConfigParser]:
    """Read config files, and return the config after the first, after the first two, and so on."""
    contents = [_read_file(file) for file in files]
    known = set(contents[0])
    if len(files) > 1:
        known |= {key.removeprefix("+") for base in BASES for key in ConfigParser.load_config_file(CONFIGS / f"{base}.yaml")}
    configs: list[ConfigParser] = []
    for file, content in zip(files, contents, strict=True):
        if configs:
            _check_overlay(configs, file, content, known)
        config = ConfigParser(copy.deepcopy(configs[-1].get()) if configs else {})
        for key, value in content.items():
            merge_kv(config, key, copy.deepcopy(value))
        configs.append(config)
    return configs


def _read_file(file: str) -> dict[str, Any]:
    if not Path(file).is_file():
        folder = Path(file).parent
        near = difflib.get_close_matches(Path(file).name, [path.name for path in folder.glob("*") if path.is_file()], n=3)
        hint = f"; did you mean {' or '.join(str(folder / name) for name in near)}?" if near else ""
        raise FileNotFoundError(f"the config file {file} does not exist{hint}")
    content = ConfigParser.load_config_file(file)
    if not isinstance(content, dict):
        raise ValueError(f"{file} holds no keys: accepted is a YAML or JSON file of key: value")
    return content


def _check_overlay(configs: Sequence[ConfigParser], file: str, content: Mapping[str, Any], known: Iterable[str]) -> None:
    """Check keys and values of an overlay by the configs that it changes."""
    gone = [name for name in GONE if "#" in name and name in ConfigParser(dict(content))]
    for key in [*gone, *content]:
        if key in gone or key.removeprefix("+").split("#")[0] not in known:
            raise ValueError(f"{file} has the key {key}, which no config has{suggest(key, known)}")
        if is_path(key) and not isinstance(content[key], str | dict | list | None):
            raise ValueError(f'{file} gives {key} the value {content[key]}, which is no text: write it in quotes, "NAME"')
        for name, value in list_values(key.removeprefix("+"), content[key]):
            if accepted := find_accepted(configs, name, value):
                is_number = isinstance(value, str) and isinstance(DefaultParseValue(value), int | float)
                hint = " (without quotes and with a point: 1e-4 is a text in YAML, 1.0e-4 a number)" if is_number else ""
                raise ValueError(f"{file} gives {name} the value {value!r}: {accepted}{hint}")


def suggest(key: str, known: Iterable[object]) -> str:
    """Return the end of a sentence on an unknown key: its new name, or the nearest known one; empty where there is none.

    Args:
        key: the key, outer#inner.
        known: keys that are accepted.
    """
    if key.split("#")[0] in RENAMED:
        return f"; it is called {RENAMED[key.split('#')[0]]} now"
    gone = next((name for name in GONE if f"{key}#".startswith(f"{name}#")), None)
    if gone:
        return f"; in its place: {GONE[gone]}"
    near = difflib.get_close_matches(key.split("#")[0], [str(name) for name in known if not str(name).startswith("_")], n=1)
    return f"; did you mean {near[0]}?" if near and near[0] != key else ""
