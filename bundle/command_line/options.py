"""Options of commands, and what is accepted for each."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bundle import SHIPPED

MARKS = ("$", "@", "%")  # a config computes values that begin so: a file or folder of such a name is called ./NAME
NAMES = ", ".join(SHIPPED)


class Option(NamedTuple):
    """An option of a command.

    Attributes:
        flag: its name, such as --samples, or that of an argument without one, such as SCANS.
        key: key of the configs that it stands for.
        help: what it is, for people.
        read: checks what is given and returns it as the value of the key; None for an option without a value, which is True.
        metavar: word for the value in the help.
        several: whether it takes several values, which are a list.
        required: whether it must be given.
    """

    flag: str
    key: str
    help: str
    read: Callable[[str], str] | None
    metavar: str = ""
    several: bool = False
    required: bool = False


def read_path(text: str) -> str:
    """Return the name of a file or folder such that a config takes it for one."""
    if not text:
        raise argparse.ArgumentTypeError("accepted is the name of a file or folder, got nothing")
    return f"./{text}" if text.startswith(MARKS) else text


def read_source(text: str) -> str:
    """Return the name of what is there."""
    if not Path(text).expanduser().exists():
        raise argparse.ArgumentTypeError(f"{text} does not exist: accepted are a scan, a folder of scans or in BIDS, and a table")
    return read_path(text)


def read_file(text: str) -> str:
    """Return the name of the file of a trained network."""
    if not Path(text).expanduser().is_file():
        raise argparse.ArgumentTypeError(f"{text} is no file: accepted is a trained network, such as output/train/model.pt")
    return read_path(text)


def read_folder(text: str) -> str:
    """Return the name of a folder that is there."""
    if not Path(text).expanduser().is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder: accepted are folders that icam explain has written")
    return read_path(text)


def read_cohort(text: str) -> str:
    """Return the name of a cohort that is there."""
    if not Path(text).expanduser().exists():
        raise argparse.ArgumentTypeError(f"{text} does not exist: accepted is a folder with scans and their table, or the table")
    return read_path(text)


def read_table(text: str) -> str:
    """Return the name of a table."""
    if not Path(text).expanduser().is_file():
        raise argparse.ArgumentTypeError(f"{text} is no file: accepted is a table, such as participants.tsv")
    return read_path(text)


def read_design(text: str) -> str:
    """Return the name of a network that comes with the bundle."""
    if text not in SHIPPED:
        hint = "; to start from a trained network: --init-from FILE" if Path(text).exists() else ""
        raise argparse.ArgumentTypeError(f"accepted are {NAMES}, got {text}{hint}")
    return text


def read_network(text: str) -> str:
    """Return the name of a network that comes with the bundle, or of the file of a trained one."""
    if text in SHIPPED or Path(text).expanduser().is_file():
        return text if text in SHIPPED else read_path(text)
    example = "the file of a trained network, such as output/train/model.pt"
    raise argparse.ArgumentTypeError(f"accepted are {NAMES}, and {example}, got {text}")


def read_number(least: int) -> Callable[[str], str]:
    """Return what reads whole numbers from a least one on."""

    def read(text: str) -> str:
        if not re.fullmatch(r"[0-9]+", text) or int(text) < least:
            raise argparse.ArgumentTypeError(f"accepted is a whole number of at least {least}, got {text}")
        return str(int(text))

    return read


def read_word(text: str) -> str:
    """Return a text that the config checks itself."""
    if not re.fullmatch(r"\w[\w:.*-]*", text):
        raise argparse.ArgumentTypeError(f"accepted is a name, got {text!r}")
    return text


def read_name(text: str) -> str:
    """Return the name of a column, a value in it, or a class."""
    if not text or text.startswith(MARKS):
        raise argparse.ArgumentTypeError(f"accepted is a name that does not begin with {' '.join(MARKS)}, got {text!r}")
    return text


SCANS = Option("SCANS", "dataset_dir", "scan, folder with scans at any depth, BIDS dataset, or table with the column image",
               read_source)  # fmt: skip
COHORT = Option("--cohort", "dataset_dir", "folder with scans and their table; absent: a cohort is simulated there", read_path,
                "FOLDER")  # fmt: skip
WRITTEN_COHORT = Option("--cohort", "dataset_dir", "folder with scans and their table; that of the simulated cohort when none is"
                        " given", read_cohort, "FOLDER")  # fmt: skip
OUTPUT = Option("--output", "output_dir", "folder for the results", read_path, "FOLDER")
NETWORK = Option("--network", "checkpoint", f"{NAMES}, which come with the bundle, or the file of a trained network; lesions"
                 " when none is given", read_network, "NAME")  # fmt: skip
SAMPLES = Option("--samples", "num_samples", "draws for each map; more are slower and smoother",
                 read_number(2), "NUMBER")  # fmt: skip
SEED = Option("--seed", "seed", "number that fixes what is drawn", read_number(0), "NUMBER")
DEVICE = Option("--device", "device", "where to compute, such as cpu or cuda:0; the GPU when there is one", read_word, "NAME")
WORKERS = Option("--workers", "num_workers", "processes that work at the same time", read_number(0), "NUMBER")
EVALUATION = (WRITTEN_COHORT, NETWORK, OUTPUT, SAMPLES, SEED, DEVICE)
