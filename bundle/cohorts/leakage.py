"""Whether a scan or a participant is on both sides of a split."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

import pandas as pd

BLOCK = 1 << 20  # bytes


def check_leakage(manifest: pd.DataFrame, contents: bool = True) -> None:
    """Refuse a participant in two splits, and an image that is there twice.

    Images are the same when they are the same file, also by a link, or have the same bytes. Only files of the same size
    are opened.

    Args:
        manifest: Rows with `participant_id`, `split` and `image`.
        contents: Whether the files' contents are compared.

    Raises:
        ValueError: When one of these is found.
    """
    torn = manifest.groupby("participant_id")["split"].unique()
    torn = torn[torn.map(len) > 1]
    if len(torn):
        raise ValueError(
            f"{torn.index[0]} is in the splits {' and '.join(sorted(torn.iloc[0]))} ({len(torn)} such participants):"
            " all scans of a participant belong in one"
        )
    paths = [Path(path) for path in manifest["image"]]
    same = _find_same(paths, lambda path: path.resolve())
    if contents and not same:
        same = _find_same_contents(paths)
    if same:
        rows = manifest[manifest["image"].isin([str(path) for path in same[0]])]
        names = [f"{row['image']} of {row['participant_id']} ({row['split']})" for row in rows.to_dict("records")]
        raise ValueError(f"{names[0]} and {names[-1]} are the same image ({len(same)} such images): one row a scan is accepted")


def _find_same_contents(paths: Iterable[Path]) -> list[list[Path]]:
    """Return groups of files with the same bytes: first those of a size, then those with the same end, then the same whole."""
    groups = _find_same(paths, lambda path: path.stat().st_size)
    groups = [same for group in groups for same in _find_same(group, _hash_end)]
    return [same for group in groups for same in _find_same(group, _hash_file)]


def _find_same(paths: Iterable[Path], key: Callable[[Path], Hashable]) -> list[list[Path]]:
    groups = defaultdict(list)
    for path in paths:
        groups[key(path)].append(path)
    return [group for group in groups.values() if len(group) > 1]


def _hash_end(path: Path) -> str:
    """Return a hash of a file's last block and its middle one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(size // 2)
        middle = file.read(BLOCK // 16)
        file.seek(max(size - BLOCK // 16, 0))
        return hashlib.sha256(middle + file.read()).hexdigest()


def _hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
