"""The folder of a cohort, checked before anything is read."""

from collections.abc import Sequence
from pathlib import Path


def find_folder(dataset_dir: str | Path, holds: Sequence[str] = ()) -> Path:
    """Return the folder of a cohort that exists on disk; nothing is simulated.

    Args:
        dataset_dir: Folder of the cohort.
        holds: Glob patterns that something in the folder must match, such as `sub-*`; alternatives are written `a|b`.

    Returns:
        The folder, absolute.

    Raises:
        FileNotFoundError: When the folder is absent or does not hold what it must.
    """
    folder = Path(dataset_dir).expanduser().resolve()
    needed = f"which holds {', '.join(pattern.replace('|', ' or ') for pattern in holds)}" if holds else "with the scans"
    if not folder.is_dir():
        raise FileNotFoundError(f"dataset_dir {folder} does not exist: give the folder of the cohort, {needed}")
    for pattern in holds:
        if not any(next(folder.glob(part), None) for part in pattern.split("|")):
            wanted = pattern.replace("|", " or ")
            raise FileNotFoundError(f"dataset_dir {folder} holds no {wanted}: give the folder of the cohort, {needed}")
    return folder
