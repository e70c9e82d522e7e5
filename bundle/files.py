"""Files that are either complete or absent."""

import gzip
import io
import os
import platform
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import nibabel
import numpy as np
import pandas as pd
import torch
from filelock import FileLock, Timeout

from bundle.ranks import is_first

TEMPORARY_PREFIX = ".partial-"
HOST = f"{zlib.crc32(platform.node().encode()):08x}"  # processes of several machines may have one number and write one file
PARTICIPANTS = "participants.tsv"  # table of a cohort, one row a participant or a scan
MANIFEST = "manifest.tsv"  # table of a cohort, one row a scan, where participants have several
TABLE_SUFFIXES = (".tsv", ".csv", ".txt", ".tab")


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
    temporary = name_temporary(path)
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def name_temporary(path: Path) -> Path:
    """Return under which name this process writes a file before it is complete."""
    return path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}.{HOST}-{path.name}")


@contextmanager
def hold_folder(folder: str | Path, lock: str | Path, key: str) -> Iterator[None]:
    """Keep other processes away from a folder while the block runs; the lock of a killed process is free.

    Of the processes of one run the first holds the lock for all.

    Args:
        folder: Folder that is written.
        lock: File of the lock, removed at the end.
        key: Key of the configs that sets the folder, for the message.

    Raises:
        ValueError: When another process holds the lock.
    """
    if not is_first():
        yield
        return
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


def remove_leftovers(paths: Iterable[str | Path]) -> None:
    """Remove the temporary files that killed processes have left beside files which no other process writes now.

    Args:
        paths: Final names of the files.
    """
    names: dict[Path, set[str]] = {}
    for path in map(Path, paths):
        names.setdefault(path.parent, set()).add(path.name)
    for folder, ours in names.items():
        for left in folder.glob(f"{TEMPORARY_PREFIX}*"):
            if left.name.removeprefix(TEMPORARY_PREFIX).partition("-")[2] in ours:
                left.unlink(missing_ok=True)


def quote_path(path: Path, start: Path) -> str:
    """Return a path as seen from a folder above it, as an address in a page."""
    return quote_from_bytes(os.fsencode(path.relative_to(start)))


def escape_name(name: str) -> str:
    r"""Return a file's name or path as text that can be written as UTF-8: bytes that are none become `\xNN`.

    Args:
        name: The name, as Python has it: other bytes are lone surrogates.
    """
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def unescape_name(name: str) -> str:
    """Return the path that `escape_name` made text of, if a file lies there and none under the text itself.

    Args:
        name: The text, an absolute path.
    """
    if "\\x" not in name or Path(name).exists():
        return name
    raw = decode_name(name)
    return raw if Path(raw).exists() else name


def decode_name(text: str) -> str:
    """Return the name that `escape_name` made text of, if it is none that reads so itself."""
    return os.fsdecode(re.sub(rb"\\x([89a-f][0-9a-f])", lambda match: bytes.fromhex(match[1].decode()), text.encode()))


def make_unique(names: Iterable[str], joint: str) -> list[str]:
    """Return names with the joint and 2, 3, ... appended to those that came before; no other name becomes one of the names.

    Args:
        names: Names, in this order.
        joint: What comes before the number.
    """
    names = list(names)
    own, taken = set(names), dict[str, None]()
    for name in names:
        candidate, count = name, 1
        while candidate in taken or (count > 1 and candidate in own):
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


def locate(path: str | Path) -> Path:
    """Return the absolute path of a file under its own name: links in the path of its folder are followed, the file's is not.

    Scans and tables may be links into a store, such as that of DataLad, in which files have other names.
    """
    path = Path(path).expanduser().absolute()
    return path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()


def find_table(dataset_dir: str | Path) -> Path:
    """Return the path of a cohort's table with one row a scan: `manifest.tsv` if there is one, else `participants.tsv`.

    Either may end in `.csv`, `.txt` or `.tab` as well, where there is none that ends in `.tsv`, and be written in any case, where
    there is none in lower case.

    Args:
        dataset_dir: Folder of the cohort, or the table itself; it need not exist.

    Returns:
        Path of the table, which need not exist either.
    """
    source = locate(dataset_dir)
    if source.is_file() and source.suffix.lower() in TABLE_SUFFIXES:
        return source
    folder = source.resolve()
    try:
        present = {path.name.lower(): path for path in sorted(folder.iterdir())}  # of several, the one in lower case
    except OSError:
        present = {}
    names = [str(Path(name).with_suffix(suffix)) for name in (MANIFEST, PARTICIPANTS) for suffix in TABLE_SUFFIXES]
    return next((present[name] for name in names if name in present), folder / PARTICIPANTS)


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
        with zipfile.ZipFile(path) as archive:  # torch does not compare the checksums
            if damaged := archive.testzip():
                raise ValueError(f"the checksum of {damaged} is wrong")
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # pickle, zipfile and torch each raise their own
        raise ValueError(f"{path} is damaged or no checkpoint: {remedy}") from error


def make_nifti(array: np.ndarray, affine: np.ndarray, fields: Mapping[str, np.ndarray] | None = None) -> nibabel.Nifti1Image:
    """Return an array as a NIfTI image in mm.

    Args:
        array: Image, shape (H, W, D); its dtype is kept.
        affine: Voxel to world matrix in mm (RAS), shape (4, 4).
        fields: Header fields of another image on the same voxels, so that both forms and their codes are the same; they count
            where they give this affine.
    """
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    header = image.header.copy()
    for name, values in (fields or {}).items():
        header[name] = [*values, *header[name][len(values) :]] if header[name].shape else values[0]
    return nibabel.Nifti1Image(array, affine, header) if np.allclose(header.get_best_affine(), affine, atol=1e-4) else image


def write_nifti(path: str | Path, array: np.ndarray, affine: np.ndarray, fields: Mapping[str, np.ndarray] | None = None) -> None:
    """Write an array as NIfTI, the same bytes for the same array.

    Args:
        path: Name ending in `.nii.gz`.
        array: Image, shape (H, W, D); its dtype is kept.
        affine: Voxel to world matrix in mm (RAS), shape (4, 4).
        fields: As in `make_nifti`.
    """
    compressed = gzip.compress(make_nifti(array, affine, fields).to_bytes(), compresslevel=1, mtime=0)
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
        files: What each is, by its name or a glob pattern in the folder, or by several, ` or ` between them, of which those are
            named that have files; what is not there is left out.
    """
    shown = {}
    for names, what in files.items():
        found = {name: count for name in names.split(" or ") if (count := sum(1 for _ in Path(folder).glob(name)))}
        if found:
            number = f" ({sum(found.values())} files)" if "*" in names else ""
            shown[" or ".join(name.removeprefix("**/") for name in found)] = what + number
    width = max(map(len, shown), default=0)
    print(f"Written to {folder}:", *(f"  {name:{width}}  {what}" for name, what in shown.items()), sep="\n", flush=True)
