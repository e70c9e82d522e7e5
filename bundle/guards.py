"""The command line of `python -m monai.bundle`: unknown keys, names of earlier versions, and ends in one sentence."""

import atexit
import difflib
import errno
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser

from bundle import CONFIGS

PACKAGE = Path(__file__).resolve().parent
BASES = ("train", "evaluate", "inference", "baselines/attribution", "faithfulness")
OPTIONS = {"config_file", "meta_file", "logging_file", "run_id", "init_id", "final_id", "args_file", "tracking", "workflow_name"}
PATHS = ("bundle_root", "checkpoint", "history", "calibration", "labels", "table", "scan")  # keys of files and folders
MARKS = ("$", "@", "%")  # first characters of values that a config computes
TRACEBACK_VARIABLE = "ICAM_TRACEBACK"  # set it to see the whole traceback of every error

RENAMED = {  # keys of version 0.1, accepted until 0.3, and their names
    "embedded_cohort": "simulated_cohort",
    "draws": "attribute_source",
    "uncertainty#draws": "uncertainty#attribute_sources",
    "checkpointing": "activation_checkpointing",
    "train#trainer#checkpointing": "train#trainer#activation_checkpointing",
    "judge_checkpoint": "classifier_checkpoint",
    "judge_def": "classifier_def",
    "removal_shares": "deletion_shares",
    "removal_scans": "deletion_scans",
    "test#screening": "test#readable_scans",
    "disease_maps#transform": "disease_maps#registration#transform",
    "disease_maps#levels": "disease_maps#registration#levels",
    "disease_maps#sampling": "disease_maps#registration#sampling",
    "rival": "reference_method",
    "train#handlers#0": "train#averaging",
    "train#handlers#1": "train#validation",
    "train#handlers#2": "train#best_model",
    "train#handlers#3": "train#history",
    "train#handlers#4": "train#tensorboard",
    "train#handlers#5": "train#run_state",
    "train#handlers#6": "train#progress",
}
RENAMED_VALUES = {"attribute_source": {"bank": "training"}, "uncertainty#attribute_sources": {"bank": "training"}}
RENAMED_RUNS = {"examination": "faithfulness"}
GONE = {  # old keys of another form
    "stages": "phases, a list that ends with the phase of the whole objective, as in train.yaml",
    "batch_size": "chunk_size, the draws decoded at once, as scans are explained one by one",
}
INTERRUPTED = "Interrupted: what is complete stays, and the same command goes on from there"
INTERRUPT_STATUS = 130  # as shells have it: 128 and the number of the signal
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
COPIES = "icam-renamed-"  # folder of copies of overlays, with new names


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
    for folder in {Path(file).parent for file in _find_files(given) if Path(file).parent.name.startswith(COPIES)}:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    check_overrides(given)
    if _find_files(given) and threading.current_thread() is threading.main_thread():  # and not in somebody's own program
        signal.signal(signal.SIGINT, interrupt)


def interrupt(*_: Any) -> None:
    """Interrupt the program at Ctrl-C; the next one ends it at once, as files are whole or absent and locks free however it ends.

    Raises:
        KeyboardInterrupt: Always.
    """

    def end(*_: Any) -> None:
        os.write(sys.stderr.fileno(), f"{INTERRUPTED}\n".encode())  # a buffer may be in use where the signal came
        os._exit(INTERRUPT_STATUS)

    signal.signal(signal.SIGINT, end)
    raise KeyboardInterrupt


def renew_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Replace old names on a command line, and in the overlays that it names, by the new ones.

    MONAI has read the config before anything of this package runs: the command is to be started anew with the result.

    Args:
        arguments: command line of `python -m monai.bundle`.

    Returns:
        The command line with new names, and a sentence for each old one; without any, the same command line.
    """
    names, renewed = _find_files(arguments), list(arguments)
    if not names:
        return renewed, []
    first = next((Path(name) for name in names if Path(name).resolve() == CONFIGS / "evaluate.yaml"), None)
    alone = first is not None and CONFIGS / "train.yaml" not in [Path(name).resolve() for name in names]
    names = [str(first.with_name("train.yaml")), *names] if first and alone else names
    renaming = Renaming(ConfigParser(ConfigParser.load_config_files([name for name in names if _is_ours(name)])))
    if alone:
        renaming.sentences[f'the config files are read as --config_file "{names}"'] = None
    names = [name if _is_ours(name) else renaming.copy_overlay(name) for name in names]
    for index, key, value in _list_options(arguments):
        if key == "config_file":
            new, value = key, value if names == _find_files(arguments) else str(names)
        else:
            new, value = renaming.rename_option(key, value)
            value = renaming.quote(new, value)
        if "=" in arguments[index]:
            renewed[index] = f"--{new}={value}"
        else:
            renewed[index : index + 2] = [f"--{new}", value][: len(renewed) - index]
    for index, name in enumerate(arguments):
        if name in RENAMED_RUNS and arguments[index - 1] in ("run", "--run_id") and RENAMED_RUNS[name] in renaming.config:
            renewed[index] = renaming.say(name, RENAMED_RUNS[name])
    return renewed, list(renaming.sentences)


def quote(name: str | Path) -> str:
    """Return the name of a file or folder as a value that MONAI's configs read as it is, whatever characters it has."""
    return "$" + repr(str(name)).replace("#", r"\x23").replace("@", r"\x40")


def is_path(key: str) -> bool:
    """Return whether the value of a key, outer#inner, is the name of a file or folder."""
    last = key.rpartition("#")[2]
    return last in PATHS or last.endswith(("_dir", "_scan", "_checkpoint"))


def _is_ours(name: str) -> bool:
    return CONFIGS in Path(name).resolve().parents


class Renaming:
    """New names for old ones, and a sentence for each old one that was met.

    Args:
        config: the config; keys are renamed whose new name it has.
    """

    def __init__(self, config: ConfigParser) -> None:
        self.config = config
        self.sentences: dict[str, None] = {}  # in this order, each once

    def say(self, old: str, new: str) -> str:
        """Note that an old name was met, and return the new one."""
        self.sentences[f"{old} is called {new} now; the old name is accepted until version 0.3"] = None
        return new

    def rename(self, path: str) -> str:
        """Return the new name of a key, outer#inner."""
        path = path.replace("::", "#")
        for old, new in RENAMED.items():
            if (path == old or path.startswith(f"{old}#")) and new in self.config:
                path = self.say(old, new) + path[len(old) :]
        return path

    def rename_option(self, path: str, value: Any) -> tuple[str, Any]:
        """Return the new name of a key, and its value, in which names of other keys and old values are replaced."""
        path = self.rename(path)
        if isinstance(value, str):
            value = re.sub(r"(?<=@)[\w#:]+", lambda match: self.rename(match[0]), value)
            for old, new in RENAMED_VALUES.get(path, {}).items():
                if re.search(rf"\b{old}\b", value):
                    value = re.sub(rf"\b{old}\b", self.say(old, new), value)
        return path, value

    def quote(self, path: str, value: Any) -> Any:
        """Return a value such that a name stays one: Fire takes 100307 for a number, and it and MONAI read a # as their own.

        Names are those of files and folders, and whatever is a text in the config.
        """
        default = self.config.get(path)
        is_text = isinstance(default, str) and not default.startswith(MARKS)
        if not isinstance(value, str) or not (is_text or is_path(path)) or value in ("None", "null"):
            return value
        if value.startswith(MARKS) and (value[0] != "@" or value[1:] in self.config):  # what the config computes
            return value
        read = DefaultParseValue(value)
        if value[:1] in ("'", '"') and value[-1:] == value[:1] and isinstance(read, str):
            return quote(read) if "#" in read else value
        return quote(value) if read != value or "#" in value or value[:1] == "@" else value

    def copy_overlay(self, file: str) -> str:
        """Copy an overlay with new names; one that has nothing to renew stays where it is."""
        content = ConfigParser.load_config_file(file)
        renewed = self._renew(content, "")
        if renewed == content:
            return file
        copy = Path(tempfile.mkdtemp(prefix=COPIES), f"{Path(file).stem}.yaml")
        copy.write_text(yaml.safe_dump(renewed, sort_keys=False))
        return str(copy)

    def _renew(self, content: Any, path: str) -> Any:
        """Rename the keys of a block and everything below it; `path` is its own new name."""
        if isinstance(content, list):
            return [self._renew(item, path) for item in content]
        if not isinstance(content, dict):
            value = self.rename_option(path, content)[1]
            return quote(value) if isinstance(value, str) and "#" in value and is_path(path) and value[:1] not in MARKS else value
        inside, renewed = f"{path}#" if path else "", {}
        for key, value in content.items():
            new = self.rename(inside + key.removeprefix("+"))
            renewed["+" * key.startswith("+") + new.removeprefix(inside)] = self._renew(value, new)
        return renewed


def check_overrides(arguments: Sequence[str]) -> None:
    """Check that the run, and the key of every `--key value`, stand in the config files.

    MONAI adds a mistyped key to the config without a word, and the run goes on with the old value.

    Args:
        arguments: command line of `python -m monai.bundle`.

    Raises:
        ValueError: When a run or a key is not in the config, or a value would not be read as it is meant.
    """
    files = _find_files(arguments)
    if not files:
        return
    parser = read_configs(files)
    run = next(iter(arguments[1:]), "--") if arguments[0] == "run" else "--"
    if not run.startswith("--") and run not in parser:
        raise ValueError(f"{' and '.join(files)} has no run {run}{suggest(run, parser.get())}")
    for _, key, value in _list_options(arguments):
        if key in OPTIONS:
            continue
        if value in ("true", "false") and not is_path(key):
            raise ValueError(f"--{key} {value} is read as a text: write True or False")
        if value in ("None", "null"):
            raise ValueError(f"--{key} {value} is ignored by MONAI: write null in a config file given after {files[-1]}")
        if key not in parser:
            hint = suggest(key, parser.get())
            raise ValueError(f"{' and '.join(files)} has no key {key}{hint} (keys inside others are written outer#inner)")


def _list_options(arguments: Sequence[str]) -> Iterator[tuple[int, str, str]]:
    """Yield the position, the key and the value of each `--key value` and `--key=value`."""
    for index, argument in enumerate(arguments):
        if argument.startswith("--"):
            key, sign, value = argument.removeprefix("--").partition("=")
            yield index, key, value if sign else "".join(arguments[index + 1 : index + 2])


def _find_files(arguments: Sequence[str]) -> list[str]:
    """Return the config files of a command line: one, or a list in brackets."""
    texts = [value.strip("[]").split(",") for _, key, value in _list_options(arguments) if key == "config_file"]
    return [part.strip(" '\"") for part in texts[-1]] if texts else []


def read_configs(files: Sequence[str]) -> ConfigParser:
    """Read config files of which the later ones change the first.

    Args:
        files: config files; overlays may have keys of other base configs too, which the first does not need.

    Raises:
        ValueError: When an overlay is no table of keys, or has a key that no config has.
    """
    known = set(ConfigParser.load_config_file(files[0]))
    if len(files) > 1:
        known |= {key.removeprefix("+") for base in BASES for key in ConfigParser.load_config_file(CONFIGS / f"{base}.yaml")}
    for file in files[1:]:
        content = ConfigParser.load_config_file(file)
        if not isinstance(content, dict):
            raise ValueError(f"{file} holds no keys: accepted is a YAML or JSON file of key: value")
        for key in content:
            if key.removeprefix("+").split("#")[0] not in known:
                raise ValueError(f"{file} has the key {key}, which no config has{suggest(key, known)}")
            if is_path(key) and not isinstance(content[key], str | dict | list | None):
                raise ValueError(f'{file} gives {key} the value {content[key]}, which is no text: write it in quotes, "NAME"')
    return ConfigParser(ConfigParser.load_config_files(list(files)))


def suggest(key: str, known: Iterable[object]) -> str:
    """Return the end of a sentence on an unknown key: its new name, or the nearest known one; empty where there is none.

    Args:
        key: the key, outer#inner.
        known: keys that are accepted.
    """
    if key.split("#")[0] in RENAMED:
        return f"; it is called {RENAMED[key.split('#')[0]]} now"
    if key.split("#")[0] in GONE:
        return f"; in its place there is {GONE[key.split('#')[0]]}"
    near = difflib.get_close_matches(key.split("#")[0], [str(name) for name in known if not str(name).startswith("_")], n=1)
    return f"; did you mean {near[0]}?" if near and near[0] != key else ""


def find_cause(error: BaseException) -> BaseException:
    """Return what an error was raised from: the first error of input among it and its causes, or else the last of them."""
    while error.__cause__ is not None and not isinstance(error, ValueError | OSError):
        error = error.__cause__
    return error


def show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print errors that this package raised on purpose, and Ctrl-C, as one sentence, all others as Python does.

    Args:
        kind: class of the error.
        error: what was raised last; it and its causes are looked through, from the last to the first.
        trace: its traceback.

    Raises:
        SystemExit: After Ctrl-C, for the exit status.
    """
    if issubclass(kind, KeyboardInterrupt) and not os.environ.get(TRACEBACK_VARIABLE):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends
        print(f"\n{INTERRUPTED}", file=sys.stderr, flush=True)
        raise SystemExit(INTERRUPT_STATUS)
    cause: BaseException | None = error
    while cause and not _is_meant_for_users(cause):
        cause = cause.__cause__ or cause.__context__
    if cause and not os.environ.get(TRACEBACK_VARIABLE):
        if isinstance(cause, OSError) and cause.errno in DISK_ERRORS and cause.filename:
            print(f"Error: {cause.filename}: {str(cause.strerror).lower()}", file=sys.stderr)
        else:
            print(f"Error: {cause}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _is_meant_for_users(error: BaseException) -> bool:
    """Return whether this package raised an error itself, or it comes from a file that the package read."""
    if not isinstance(error, ValueError | OSError):
        return False
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:  # whoever wrote
        return True
    trace, files = error.__traceback__, []
    while trace is not None:
        files.append(Path(trace.tb_frame.f_code.co_filename).resolve())
        trace = trace.tb_next
    return any(PACKAGE in file.parents for file in (files if isinstance(error, OSError) else files[-1:]))
