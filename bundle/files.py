"""Files that are either complete or absent."""

import gzip
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout

TEMPORARY_PREFIX = ".partial-"
PARTICIPANTS = "participants.tsv"  # table of a cohort, one row a participant or a scan
MANIFEST = "manifest.tsv"  # table of a cohort, one row a scan, where participants have several


@contextmanager
def write_atomically(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to `path` when the block ends without an error.

    The temporary name keeps every suffix (`.nii.gz`, `.tsv`), on which some writers depend.

    Args:
        path: Final name of the file; its folder is made when absent.

    Yields:
        The name to write to. It is removed when the block raises, and the file under `path` is then as before.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def hold_folder(folder: str | Path, lock: str | Path, key: str) -> Iterator[None]:
    """Keep other processes away from a folder while the block runs; the lock of a killed process is free.

    Args:
        folder: Folder that is written.
        lock: File of the lock, removed at the end.
        key: Key of the configs that sets the folder, for the message.

    Raises:
        ValueError: When another process holds the lock.
    """
    lock = Path(lock)
    try:
        with FileLock(lock, timeout=0):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    except Timeout as error:
        raise ValueError(
            f"{folder} is being written by another process: wait until it has ended, or give another {key}"
        ) from error


def make_unique(names: Iterable[str], joint: str) -> list[str]:
    """Return names with the joint and 2, 3, ... appended to those that came before.

    Args:
        names: Names, in this order.
        joint: What comes before the number.
    """
    taken: dict[str, None] = {}
    for name in names:
        candidate, count = name, 1
        while candidate in taken:
            count += 1
            candidate = f"{name}{joint}{count}"
        taken[candidate] = None
    return list(taken)


def check_writable(folder: str | Path, key: str = "output_dir") -> None:
    """Make a folder, and a file in it that is removed at once, before anything is computed that goes there.

    Args:
        folder: Where files are to be written.
        key: The config's key of the folder, for the message.

    Raises:
        OSError: When that cannot be done.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=TEMPORARY_PREFIX, dir=folder) as file:
            file.write(b"written")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OSError(f"{folder} cannot be written to ({reason}): give another {key}") from error


def find_table(dataset_dir: str | Path) -> Path:
    """Return the path of a cohort's table with one row a scan: `manifest.tsv` if there is one, else `participants.tsv`.

    Args:
        dataset_dir: Folder of the cohort; it need not exist.

    Returns:
        Path of the table, which need not exist either.
    """
    folder = Path(dataset_dir).expanduser().resolve()
    return folder / (MANIFEST if (folder / MANIFEST).is_file() else PARTICIPANTS)


def save_tensors(path: str | Path, content: Mapping[str, Any]) -> None:
    """Save tensors and plain values with torch, completely or not at all.

    Args:
        path: Final name of the file.
        content: What to save.

    Raises:
        OSError: When the file cannot be written.
    """
    buffer = io.BytesIO()  # on a full disk Python raises an OSError, torch something unclear
    torch.save(content, buffer)
    try:
        with write_atomically(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
    except OSError as error:
        raise OSError(f"{path} could not be saved: {error.strerror}") from error


def load_tensors(path: str | Path, device: torch.device | str, remedy: str) -> Any:
    """Load what `save_tensors` saved; nothing but tensors and plain values is unpickled.

    Args:
        path: Name of the file.
        device: Where the tensors go.
        remedy: What to do when the file is no such file.

    Returns:
        The content.

    Raises:
        ValueError: When the file is damaged, or holds something else.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # pickle, zipfile and torch each raise their own
        raise ValueError(f"{path} is damaged or no checkpoint: {remedy}") from error


def make_nifti(array: np.ndarray, affine: np.ndarray) -> nibabel.Nifti1Image:
    """Return an array as a NIfTI image in mm.

    Args:
        array: Image, shape (H, W, D); its dtype is kept.
        affine: Voxel to world matrix in mm (RAS), shape (4, 4).
    """
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    return image


def write_nifti(path: str | Path, array: np.ndarray, affine: np.ndarray) -> None:
    """Write an array as NIfTI, the same bytes for the same array.

    Args:
        path: Name ending in `.nii.gz`.
        array: Image, shape (H, W, D); its dtype is kept.
        affine: Voxel to world matrix in mm (RAS), shape (4, 4).
    """
    compressed = gzip.compress(make_nifti(array, affine).to_bytes(), compresslevel=1, mtime=0)
    with write_atomically(path) as temporary:
        temporary.write_bytes(compressed)


def write_table(path: str | Path, table: pd.DataFrame, float_format: str | None = None) -> None:
    """Write a tab-separated table; missing values become "n/a".

    Args:
        path: Name ending in `.tsv`.
        table: Its rows.
        float_format: Format of numbers, such as "%.6g"; None for all digits.
    """
    with write_atomically(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="n/a", float_format=float_format)


def announce(folder: str | Path, files: Mapping[str, str]) -> None:
    """Print what a finished command has written, and where: the end of every command.

    Args:
        folder: Folder of the files.
        files: What each is, by its name or a glob pattern in the folder; those that are not there are left out.
    """
    found = {name: sum(1 for _ in Path(folder).glob(name)) for name in files}
    shown = {name: f"{files[name]}{f' ({count} files)' if '*' in name else ''}" for name, count in found.items() if count}
    width = max(map(len, shown), default=0)
    print(f"Written to {folder}:", *(f"  {name:{width}}  {what}" for name, what in shown.items()), sep="\n", flush=True)
