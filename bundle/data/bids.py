"""BIDS: the description of a dataset, what a derivative dataset says of itself, and how its files are called.

Source: the specification, version 1.11 (https://bids-specification.readthedocs.io).
"""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bundle.files import quote_path, write_atomically
from bundle.records import PROGRAM, list_versions, read_version

DESCRIPTION, IGNORED = "dataset_description.json", ".bidsignore"
RAW = "rawdata"  # folder of the dataset in a study, beside its derivatives
REQUIRED = ("Name", "BIDSVersion")  # of a description
VERSION = "1.11.1"  # of BIDS, that derivatives follow
LINK = "raw"  # name that a derivative gives the dataset of its scans
SITES = {"monai": ("MONAI", "https://github.com/Project-MONAI/MONAI"), "torch": ("PyTorch", "https://github.com/pytorch/pytorch")}


class Derivative(NamedTuple):
    """A derivative dataset.

    Attributes:
        root: its folder.
        raw: folder of the dataset that it is made from.
        base: folder that names of scans are relative to, as those of their files are to the output folder.
    """

    root: Path
    raw: Path
    base: Path

    def cite(self, scan: str | Path) -> str:
        """Return the BIDS URI of a scan; of a file outside the dataset its own URI."""
        path = Path(scan)
        if not path.is_relative_to(self.raw):
            return path.absolute().as_uri()
        return f"bids:{LINK}:{quote_path(path, self.raw)}"


def read_description(folder: str | Path) -> dict[str, Any]:
    """Return the description of a dataset; an empty one where a folder has none that can be read."""
    try:
        content = json.loads((Path(folder) / DESCRIPTION).read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def is_described(folder: str | Path) -> bool:
    """Check whether a folder says that it is a BIDS dataset, by a description with a name and the version of BIDS."""
    return all(key in read_description(folder) for key in REQUIRED)


def find_root(folder: Path) -> Path:
    """Return the folder of the dataset that a folder belongs to, by the names of folders.

    Args:
        folder: A dataset, a study that holds one as `rawdata`, or a participant, a session or its `anat` in one.
    """
    path = folder.parent if folder.name == "anat" else folder
    path = path.parent if path.name.startswith("ses-") else path
    path = path.parent if path.name.startswith("sub-") else path
    return path / RAW if path == folder and not is_described(path) and (path / RAW).is_dir() else path


def find_derivative(source: Path, output_dir: str | Path) -> Derivative:
    """Return the derivative dataset that results of scans of a BIDS dataset are.

    Results of a participant or session in a folder of the same name, such as `maps/sub-01/ses-M00` for `bids/sub-01/ses-M00`, are
    part of the dataset `maps`. In all other cases the output folder is the dataset.

    Args:
        source: Absolute path of the dataset, or of a participant or session of it.
        output_dir: Folder of the results.

    Raises:
        ValueError: When the output folder is the dataset itself, or holds another one.
    """
    raw, output = find_root(source), Path(output_dir).expanduser().absolute()
    own = source.relative_to(raw).parts if source.is_relative_to(raw) else ()
    inside = bool(own) and output.parts[-len(own) :] == own
    root = output.parents[len(own) - 1] if inside else output
    if root.resolve() == raw:
        raise ValueError(
            f"output_dir {output_dir} is the BIDS dataset of the scans: give another one, such as {raw / 'derivatives' / 'icam'}"
        )
    made_by = read_description(root).get("GeneratedBy") or [{}]
    if (root / DESCRIPTION).exists() and not any(isinstance(each, dict) and each.get("Name") == PROGRAM for each in made_by):
        raise ValueError(f"{root} holds another dataset, by its {DESCRIPTION}: give another output_dir")
    return Derivative(root, raw, source if inside else raw)


def write_derivative(derivative: Derivative, title: str, ignored: Sequence[str]) -> None:
    """Write what a derivative dataset says of itself, and which of its files are none of BIDS.

    Processes that write to one dataset at the same time write the same.

    Args:
        derivative: The dataset.
        title: What it holds, before the name of the raw dataset.
        ignored: Patterns of names for `.bidsignore`; others that are there stay.

    Raises:
        OSError: When the files cannot be written.
    """
    root, raw = derivative.root, derivative.raw
    source, versions = read_description(raw), list_versions()
    link = os.path.relpath(raw, root) if root.resolve().is_relative_to(raw) else raw.as_uri()
    found = {"URL": link} | ({"DOI": source["DatasetDOI"]} if isinstance(source.get("DatasetDOI"), str) else {})
    others = [{"Name": name, "Version": versions[key], "CodeURL": url} for key, (name, url) in SITES.items()]
    description = {
        "Name": f"{title} of {source.get('Name') or raw.name}",
        "BIDSVersion": VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": PROGRAM, "Version": read_version()}, *others],
        "SourceDatasets": [found],
        "DatasetLinks": {LINK: link},
    }
    write_text(root / DESCRIPTION, json.dumps(description, indent=2, ensure_ascii=False) + "\n")
    path = root / IGNORED
    before = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    write_text(path, "".join(f"{line}\n" for line in [*before, *(line for line in ignored if line not in before)]))


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8, at once, unless it stands there already."""
    if path.is_file() and path.read_bytes() == text.encode():
        return
    with write_atomically(path) as temporary:
        temporary.write_bytes(text.encode())


def name_derivative(name: str, description: str) -> str:
    """Return the name of a file that is made from another one, by BIDS: with the entity `desc`, before the suffix.

    Args:
        name: Path of the other file, without ending, such as sub-01/anat/sub-01_T1w.
        description: Value of the entity, letters and digits; a value that is there is put in front of it.
    """
    folder, slash, file = name.rpartition("/")
    stem, _, suffix = file.rpartition("_")
    if own := re.search(r"(?:^|_)desc-([^_]+)", stem):
        stem = f"{stem[: own.end()]}{description[0].upper()}{description[1:]}{stem[own.end() :]}"
    else:
        stem = "_".join(filter(None, [stem, f"desc-{description}"]))
    return f"{folder}{slash}{stem}_{suffix}"


def write_camel_case(words: str) -> str:
    """Return words as one, such as faMean for fa_mean: values of BIDS entities hold letters and digits only."""
    first, *others = words.split("_")
    return first + "".join(word.capitalize() for word in others)
