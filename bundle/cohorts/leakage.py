"""Whether a scan or a participant is on both sides of a split."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

import pandas as pd

from bundle.data.participants import find_torn

BLOCK = 1 << 16  # bytes of a file that are compared first


def check_leakage(manifest: pd.DataFrame, contents: bool = True) -> None:
    """Refuse a participant in two splits, and an image that is there twice: a `ValueError`.

    Images are the same when they are the same file, also by a link, or, with `contents`, have the same bytes. Only files of the
    same size are opened.
    """
    if torn := find_torn(manifest):
        raise ValueError(f"the cohort has {torn}: all scans of a subject belong in one")
    same = _find_same([Path(path) for path in manifest["image"]], Path.resolve)
    if contents and not same:
        same = [[Path(path) for path in manifest["image"]]]
        for key in (lambda path: path.stat().st_size, _hash_end, _hash_file):
            same = [part for group in same for part in _find_same(group, key)]
    if same:
        rows = manifest[manifest["image"].isin([str(path) for path in same[0]])]
        names = [f"{row['image']} of {row['participant_id']} ({row['split']})" for row in rows.to_dict("records")]
        raise ValueError(f"{names[0]} and {names[-1]} are the same image ({len(same)} such images): one row a scan is accepted")


def _find_same(paths: Iterable[Path], key: Callable[[Path], Hashable]) -> list[list[Path]]:
    """Return groups of two and more files with the same key."""
    groups = defaultdict(list)
    for path in paths:
        groups[key(path)].append(path)
    return [group for group in groups.values() if len(group) > 1]


def _hash_end(path: Path) -> str:
    """Return a hash of a file's last block and its middle one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(size // 2)
        middle = file.read(BLOCK)
        file.seek(max(size - BLOCK, 0))
        return hashlib.sha256(middle + file.read()).hexdigest()


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
