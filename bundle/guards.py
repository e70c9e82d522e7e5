"""What stands between a mistake on the command line and a page of traceback."""

import difflib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from monai.bundle import ConfigParser

PACKAGE = Path(__file__).resolve().parent
STAGE_NAMES = ("train", "evaluate", "inference", "baselines/attribution", "faithfulness")
STAGES = [PACKAGE.parent / "configs" / f"{name}.yaml" for name in STAGE_NAMES]
OPTIONS = {"config_file", "meta_file", "logging_file", "run_id", "init_id", "final_id", "args_file", "tracking", "workflow_name"}
TRACEBACK_VARIABLE = "ICAM_TRACEBACK"  # set it to see the whole traceback of every error


def guard_run() -> None:
    """Refuse unknown keys on the command line, and have errors about the user's input shown as one sentence.

    Raises:
        ValueError: When a key on the command line is not in the config.
    """
    sys.excepthook = show_error
    check_overrides(sys.argv[1:])


def check_overrides(arguments: Sequence[str]) -> None:
    """Check that every `--key value` changes a key that the config files have.

    MONAI adds a mistyped key to the config without a word, and the run goes on with the old value.

    Args:
        arguments: command line of `python -m monai.bundle`.

    Raises:
        ValueError: When a key is not in the config, or a value would not be read as it is meant.
    """
    options = {name.removeprefix("--").split("=")[0]: index for index, name in enumerate(arguments) if name.startswith("--")}
    if "config_file" not in options:
        return
    position = options["config_file"]
    files = arguments[position].partition("=")[2] or arguments[position + 1]
    parser = _read_files([part.strip(" '\"") for part in files.strip("[]").split(",")])
    for key, index in options.items():
        if key in OPTIONS:
            continue
        value = arguments[index].partition("=")[2] or "".join(arguments[index + 1 : index + 2])
        if value in ("true", "false"):
            raise ValueError(f"--{key} {value} is read as a text: write True or False")
        if value in ("None", "null"):
            raise ValueError(f"--{key} {value} is ignored by MONAI: write null in a config file given after {files}")
        if key not in parser:
            hint = _suggest(key, parser.get())
            raise ValueError(f"{files} has no key {key}{hint} (keys inside others are written outer#inner)")


def _read_files(files: Sequence[str]) -> ConfigParser:
    """Read config files of which the later ones change the first; of other keys they may have those of other stages."""
    known = set(ConfigParser.load_config_file(files[0]))
    if len(files) > 1:
        known |= {key for stage in STAGES if stage.is_file() for key in ConfigParser.load_config_file(stage)}
    for file in files[1:]:
        for key in ConfigParser.load_config_file(file):
            if key.removeprefix("+").split("#")[0] not in known:
                raise ValueError(f"{file} has the key {key}, which no stage has{_suggest(key, known)}")
    parser = ConfigParser()
    parser.read_config(list(files))
    return parser


def _suggest(key: str, known: Iterable[object]) -> str:
    near = difflib.get_close_matches(key.split("#")[0], [str(name) for name in known if not str(name).startswith("_")], n=1)
    return f"; did you mean {near[0]}?" if near and near[0] != key else ""


def show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print errors that this package raised on purpose as one sentence, all others as Python does.

    Args:
        kind: class of the error.
        error: what was raised last; it and its causes are looked through, from the last to the first.
        trace: its traceback.
    """
    cause: BaseException | None = error
    while cause and not _is_meant_for_users(cause):
        cause = cause.__cause__ or cause.__context__
    if cause and not os.environ.get(TRACEBACK_VARIABLE):
        print(f"Error: {cause}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _is_meant_for_users(error: BaseException) -> bool:
    """Tell whether this package raised an error itself, or it comes from a file that the package asked for."""
    if not isinstance(error, ValueError | OSError):
        return False
    trace, files = error.__traceback__, []
    while trace is not None:
        files.append(Path(trace.tb_frame.f_code.co_filename).resolve())
        trace = trace.tb_next
    return any(PACKAGE in file.parents for file in (files if isinstance(error, OSError) else files[-1:]))
