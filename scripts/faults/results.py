"""What a run leaves: whether it is whole, and equal to what another run left."""

import fnmatch
import gzip
import hashlib
import json
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import nibabel
import pandas as pd
import torch

from bundle.files import TEMPORARY_PREFIX

UNEQUAL = ("*events.out.tfevents*", "*.log", "*.lock", "*settings.json", "*.html", "*/state.pt", ".*")  # hold times or are open


def find_torn(folder: Path) -> list[str]:
    """Return the files under a final name that cannot be read to their end.

    Args:
        folder: results.
    """
    torn = []
    for path in walk(folder):
        try:
            _read_whole(path)
        except Exception:  # each format has its own
            torn.append(f"{path.relative_to(folder)}: {traceback.format_exc(limit=0).splitlines()[-1]}")
    return torn


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder that stand under a final name."""
    for path in sorted(folder.rglob("*")):
        partial = path.name.startswith(TEMPORARY_PREFIX) or any(part.endswith(".partial") for part in path.parts)
        if path.is_file() and not partial:
            yield path


def find_finished(folder: Path, list_finished: Callable[[Path], Iterable[Path]]) -> dict[str, int]:
    """Return the files that are not to be written again, with the time when they were written, ns."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in list_finished(folder)}


def list_explained(folder: Path) -> list[Path]:
    """Return the maps of scans that predictions.csv says are done."""
    table = folder / "predictions.csv"
    names = pd.read_csv(table).query("status == 'done'")["name"] if table.is_file() else []
    return [path for name in names for path in sorted(folder.glob(f"{name}_*.nii.gz"))]


def list_prepared(folder: Path) -> list[Path]:
    """Return the prepared scans that have a record."""
    records = folder.rglob("*_desc-prepared_T1w.json")
    return [record.with_suffix(".nii.gz") for record in sorted(records)]


def list_simulated(folder: Path) -> list[Path]:
    """Return the images of a cohort that is complete."""
    return sorted((folder / "cohort").rglob("*.nii.gz"))


def hash_results(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """Return a hash of each result, of its content alone: tensors of a checkpoint, tables without their times."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(_read_content(path)).hexdigest()
        for path in walk(folder)
        if _matches(path, folder, patterns) and not _matches(path, folder, UNEQUAL)
    }


def _matches(path: Path, folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(str(path.relative_to(folder)), pattern) for pattern in patterns)


def _read_whole(path: Path) -> None:
    """Read a file to its end, as its format demands."""
    if path.name.endswith(".gz"):
        nibabel.Nifti1Image.from_bytes(gzip.decompress(path.read_bytes())).get_fdata()
    elif path.suffix == ".pt":
        torch.load(path, weights_only=True)
    elif path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix in (".csv", ".tsv"):
        pd.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", dtype=str, keep_default_na=False)
        if not path.read_text().endswith("\n"):
            raise ValueError("its last line is not complete")


def _read_content(path: Path) -> bytes:
    if path.suffix == ".pt":
        return _write_tensors(torch.load(path, weights_only=True))
    if path.name == "train.csv":
        return pd.read_csv(path).drop(columns="seconds").to_csv().encode()
    return path.read_bytes()


def _write_tensors(content: object) -> bytes:
    """Return the values of tensors in nested tables as bytes."""
    if isinstance(content, dict):
        return b"".join(str(key).encode() + _write_tensors(value) for key, value in content.items())
    return content.numpy().tobytes() if isinstance(content, torch.Tensor) else repr(content).encode()
