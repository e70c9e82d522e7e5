"""Reading the command line of `icam`, and running what it stands for."""

import argparse
import difflib
import json
import os
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from bundle import CONFIGS, SHIPPED
from bundle.command_line.commands import COMMANDS, START, Command, build_arguments, read_setting, write_command
from bundle.command_line.lookups import LOOKUPS
from bundle.command_line.options import NETWORK, Option, read_number
from bundle.errors import INTERRUPT_STATUS, INTERRUPTED
from bundle.overlays import find_overlay

LEVELS = ("participant", "group")
WORDS = (*COMMANDS, *LOOKUPS)
GUESSES = {  # what people type who have not read the help
    "predict": "explain", "infer": "explain", "inference": "explain", "run": "explain", "test": "evaluate", "models": "networks",
    "show": "view", "open": "view", "preprocess": "prepare", "compare": "benchmark",
}  # fmt: skip
SESSIONS, MEMORY = ("--n-procs", "--n-cpus"), ("--mem-mb", "--mem-gb", "--mem")  # of BIDS apps; those of the second are refused
DESCRIPTION = "Classify brain scans, and map what would turn each into a scan of another class. For research only."
EPILOG = """The form of BIDS apps:
  icam BIDS_DIR OUTPUT_DIR {participant,group} [--participant-label LABEL ...]
  icam BIDS_DIR OUTPUT_DIR participant --help

Each command prints the command of MONAI's bundle that it stands for, and runs it. Completion in bash and zsh:
  eval "$(register-python-argcomplete icam)"
"""
BIDS_DESCRIPTION = "Explain the participants of a BIDS dataset, a run a session; then collect their tables and pages."
BIDS_EPILOG = """participant  explains the scans of the participants into OUTPUT_DIR/sub-*/ses-*; the same command goes
             on where it was stopped; several may run at once, one for each participant, such as the jobs of an array
group        collects the results of all participants: OUTPUT_DIR/index.html, a page with links to those of the scans,
             predictions.csv and regions.tsv; it computes nothing

Example:
  icam bids maps participant --participant-label 01 02 --network conversion
  icam bids maps group
"""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help with the lines of examples as they are, and room for the names of options."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=100)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence.

    Attributes:
        keys: lists the keys that `--set` takes; none for a command without it.
    """

    keys: Callable[[], list[str]] = list

    def error(self, message: str) -> NoReturn:
        """End the program."""
        message = re.sub(r"^argument ", "", message)
        self.exit(2, f"Error: {message} (see {self.prog} --help)\n")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return what is given; refuse what is not accepted, with what was probably meant."""
        given, rest = self.parse_known_args(args, namespace)
        if rest:
            flags = [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]
            name = rest[0].partition("=")[0]
            near = difflib.get_close_matches(name.replace("_", "-"), flags, n=1)
            hint = f"; did you mean {near[0]}?" if near else f": accepted are {', '.join(flags)}"
            key = name.removeprefix("--").replace("-", "_")
            if not near and key.replace("::", "#").partition("#")[0] in self.keys():
                hint = f"; a key of the configs is given as --set {key}=VALUE"
            if name in MEMORY and SESSIONS[0] in flags:
                hint = f": there is no limit of memory; fewer sessions at once, {SESSIONS[0]}, take less"
            self.error(f"{rest[0]} is not accepted{hint}")
        return given


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what a command line says.

    Args:
        arguments: its words after `icam`; None for those of this process.

    Returns:
        The exit status, unless this process becomes the one of MONAI's bundle.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for what may come next
        import argcomplete

        typed = os.environ.get("COMP_LINE", "").split()[1:]
        is_bids = is_bids_app(typed) and (len(typed) > 1 or os.environ["COMP_LINE"].endswith(" "))
        argcomplete.autocomplete(build_bids_parser() if is_bids else build_parser()[0])
    try:
        if is_bids_app(words):
            return run_bids_app(words)
        parser, commands = build_parser()
        if not words or words[0].startswith("-"):
            parser.parse_args(words)
            parser.print_help()
            return 0 if words else 2
        if words == ["list"]:
            raise ValueError("icam list counts what is in --cohort FOLDER; networks that come with the bundle: icam networks")
        if words[0] in LOOKUPS:
            return LOOKUPS[words[0]].run(commands[words[0]].parse_args(words[1:]))
        return run_command(words[0], commands[words[0]].parse_args(words[1:]))
    except (ValueError, OSError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\n{INTERRUPTED}", file=sys.stderr, flush=True)
        return INTERRUPT_STATUS


def is_bids_app(words: Sequence[str]) -> bool:
    """Return whether a command line has the form of BIDS apps: it does not begin with a command."""
    return bool(words) and words[0] not in WORDS and (not words[0].startswith("-") or any(word in LEVELS for word in words))


def run_command(name: str, given: argparse.Namespace) -> int:
    """Run a command by MONAI's bundle in place of this process, or print what would be run."""
    arguments = build_arguments(COMMANDS[name], vars(given), given.config, dict(given.set))
    print(write_command(arguments), file=sys.stdout if given.print else sys.stderr, flush=True)
    if given.print:
        return 0
    os.execv(sys.executable, [sys.executable, "-m", START, *arguments])


def run_bids_app(words: Sequence[str]) -> int:
    """Run one level of the BIDS app."""
    if not any(word in LEVELS for word in words) and not words[0].startswith("-") and not Path(words[0]).is_dir():
        near = [GUESSES[words[0]]] if words[0] in GUESSES else difflib.get_close_matches(words[0], WORDS, n=1)
        if near or sum(not word.startswith("-") for word in words) == 1 or not {"-h", "--help", "--version"} & set(words):
            hint = f"; did you mean {near[0]}?" if near else ""
            accepted = f"accepted are {', '.join(WORDS)}, and BIDS_DIR OUTPUT_DIR {{{','.join(LEVELS)}}}"
            raise ValueError(f"{words[0]} is neither a command nor a folder: {accepted}{hint}")
    words = [word.replace("_", "-") if re.fullmatch(r"--\w+", word) else word for word in words]  # of earlier BIDS apps
    given = build_bids_parser().parse_args(words)
    from bundle.command_line import bids_app  # it needs what takes seconds to import

    return bids_app.explain_participants(given) if given.level == "participant" else bids_app.collect_tables(given)


def build_parser() -> tuple[Parser, dict[str, Parser]]:
    """Return the parser of the commands, and that of each command."""
    parser = Parser("icam", description=DESCRIPTION, epilog=EPILOG, formatter_class=Formatter)
    add_version(parser)
    choice = parser.add_subparsers(metavar="COMMAND", title="commands", prog="icam")
    parsers = {}
    for name, command in COMMANDS.items():
        example = f"Example:\n  icam {name} {command.example}\n"
        parsers[name] = choice.add_parser(
            name, help=command.help, description=textwrap.fill(command.description, 98), epilog=example,
            formatter_class=Formatter, allow_abbrev=False,
        )  # fmt: skip
        add_options(parsers[name], command, command.options)
    for name, lookup in LOOKUPS.items():
        example = f"Example:\n  icam {name} {lookup.example}".rstrip() + "\n"
        parsers[name] = choice.add_parser(
            name, help=lookup.help, description=textwrap.fill(lookup.description, 98), epilog=example,
            formatter_class=Formatter, allow_abbrev=False,
        )  # fmt: skip
    parsers["view"].add_argument("results", metavar="RESULTS", help="folder that a command has written to, or a page")
    parsers["view"].add_argument("--print", action="store_true", help="print where the page is, and open nothing")
    return parser, parsers


def build_bids_parser() -> Parser:
    """Return the parser of the BIDS app."""
    parser = Parser(
        "icam BIDS_DIR OUTPUT_DIR", usage="icam BIDS_DIR OUTPUT_DIR {participant,group} [options]", description=BIDS_DESCRIPTION,
        epilog=BIDS_EPILOG, formatter_class=Formatter, allow_abbrev=False,
    )  # fmt: skip
    add_version(parser)
    parser.add_argument("bids_dir", metavar="BIDS_DIR", type=Path, help="folder of the dataset")
    parser.add_argument("output_dir", metavar="OUTPUT_DIR", type=Path, help="folder for the results of all participants")
    parser.add_argument("level", choices=LEVELS, help="what to do, below")
    for kind in ("participant", "session"):
        text = f"labels of the {kind}s, with or without their prefix; all when none is given"
        parser.add_argument(f"--{kind}-label", nargs="+", metavar="LABEL", help=text)
    parser.add_argument(*SESSIONS, type=read_number(1), metavar="NUMBER", default="1", help="sessions at once")
    text = "do not look at dataset_description.json"
    parser.add_argument("--skip-bids-validation", action="store_true", help=text)
    explain = COMMANDS["explain"]
    own = ("dataset_dir", "output_dir", "split", "num_workers")
    add_options(parser, explain, [option for option in explain.options if option.key not in own])
    return parser


def add_version(parser: Parser) -> None:
    """Add --version."""
    version = json.loads((CONFIGS / "metadata.json").read_text())["version"]
    parser.add_argument("--version", action="version", version=f"icam {version}", help="print the version")


def add_options(parser: Parser, command: Command, options: Sequence[Option]) -> None:
    """Add options of a command, and those that all commands have."""
    for option in options:
        settings: dict[str, Any] = {"help": option.help.replace("%", "%%")}
        if option.read is None:
            settings |= {"action": "store_const", "const": "True"}
        else:
            settings |= {"type": option.read, "metavar": option.metavar or option.flag, "nargs": "+" if option.several else None}
        if not option.flag.startswith("--"):
            parser.add_argument(option.key, **settings)
            continue
        action = parser.add_argument(option.flag, dest=option.key, required=option.required, **settings)
        if option.flag == NETWORK.flag:
            complete(action, lambda prefix, **_: [*SHIPPED, *list_files(prefix)])
    text = "further config file, or the name of one of the bundle, such as volumes; may be given again"
    config = parser.add_argument("--config", action="append", default=[], metavar="FILE", help=text)
    text = "any other key of the configs; may be given again, and counts more than an option"
    setting = parser.add_argument("--set", action="append", default=[], type=read_setting, metavar="KEY=VALUE", help=text)
    parser.add_argument("--print", action="store_true", help="print the command of MONAI's bundle, and do not run it")
    overlays = [str(path.relative_to(CONFIGS).with_suffix("")) for path in CONFIGS.rglob("*.yaml")]
    complete(config, lambda prefix, **_: [*overlays, *list_files(prefix)])
    parser.keys = partial(list_keys, command)
    complete(setting, lambda **_: [f"{key}=" for key in list_keys(command)])


def complete(action: argparse.Action, list_values: Callable[..., list[str]]) -> None:
    """Have the values of an option completed in the shell."""
    action.completer = list_values  # type: ignore[attr-defined]  # where argcomplete looks for it


def list_files(prefix: str) -> list[str]:
    """Return the files whose names begin as what was typed."""
    from argcomplete.completers import FilesCompleter

    return list(FilesCompleter()(prefix))


def list_keys(command: Command) -> list[str]:
    """Return the keys of a command's configs."""
    keys: dict[str, None] = {}
    for name in command.files:
        keys |= dict.fromkeys(re.findall(r"^\+?(\w+):", find_overlay(name).read_text(), flags=re.MULTILINE))
    return list(keys)
