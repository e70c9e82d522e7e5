"""Names of earlier versions on a command line and in overlays, and values of it that are names of files."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from fire.parser import DefaultParseValue
from monai.bundle import ConfigParser

from bundle import CONFIGS
from bundle.old_names import RENAMED, RENAMED_RUNS, RENAMED_VALUES

PATHS = (  # keys of files and folders
    "bundle_root", "checkpoint", "history", "calibration", "labels", "table", "scan", "atlas", "reference_regions",
)  # fmt: skip
MARKS = ("$", "@", "%")  # first characters of values that a config computes
COPIES = "icam-renamed-"  # folder of copies of overlays, with new names


def renew_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Replace old names on a command line, and in the overlays that it names, by the new ones.

    MONAI has read the config before anything of this package runs: the command is to be started anew with the result.

    Args:
        arguments: command line of `python -m monai.bundle`.

    Returns:
        The command line with new names, and a sentence for each old one; without any, the same command line.
    """
    names, renewed = find_files(arguments), list(arguments)
    if not names:
        return renewed, []
    first = next((Path(name) for name in names if Path(name).resolve() == CONFIGS / "evaluate.yaml"), None)
    alone = first is not None and CONFIGS / "train.yaml" not in [Path(name).resolve() for name in names]
    names = [str(first.with_name("train.yaml")), *names] if first and alone else names
    renaming = Renaming(ConfigParser(ConfigParser.load_config_files([name for name in names if _is_ours(name)])))
    if alone:
        renaming.sentences[f'the config files are read as --config_file "{names}"'] = None
    names = [name if _is_ours(name) else renaming.copy_overlay(name) for name in names]
    for index, key, value in list_options(arguments):
        if key == "config_file":
            new, value = key, value if names == find_files(arguments) else str(names)
        else:
            new, value = renaming.rename_option(key, value)
            value = renaming.quote(new, value)
        if value is None:
            renewed[index] = f"--{new}"
        elif "=" in arguments[index]:
            renewed[index] = f"--{new}={value}"
        else:
            renewed[index : index + 2] = [f"--{new}", value]
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


def list_options(arguments: Sequence[str]) -> Iterator[tuple[int, str, str | None]]:
    """Yield the position, the key and the value of each `--key value` and `--key=value`; None for a key without a value."""
    for index, argument in enumerate(arguments):
        if argument.startswith("--"):
            key, sign, value = argument.removeprefix("--").partition("=")
            following = next(iter(arguments[index + 1 : index + 2]), "--")
            alone = not sign and re.match("--|-[a-zA-Z]", following)  # as Fire has it: -5 is a value
            yield index, key, None if alone else value if sign else following


def find_files(arguments: Sequence[str]) -> list[str]:
    """Return the config files of a command line: one, or a list in brackets."""
    texts = [value for _, key, value in list_options(arguments) if key == "config_file" and value]
    names = [part.strip(" '\"") for text in texts[-1:] for part in text.strip("[]").split(",")]
    return [name for name in names if name]
