"""The files of a prepared scan: complete or absent, and not made twice."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bundle.files import write_atomically, write_nifti
from bundle.preprocessing.pictures import save_picture
from bundle.preprocessing.pipeline import PreparedScan, Settings

ENDINGS = {
    "image": "desc-prepared_T1w.nii.gz",
    "brain_mask": "desc-brain_mask.nii.gz",
    "transform": "from-raw_to-prepared_xfm.txt",
    "picture": "desc-prepared_T1w.png",
}
RECORD = "desc-prepared_T1w.json"  # written last: where it is, the other files are complete
VERSION = 1  # of the steps: another one makes all scans anew


def name_files(stem: str) -> dict[str, str]:
    """Return the files of a prepared scan by column of the table.

    Args:
        stem: Their path without ending.
    """
    return {column: f"{stem}_{ending}" for column, ending in ENDINGS.items()}


def compute_fingerprint(path: str | Path, settings: Settings) -> str:
    """Compute a hash that changes with the scan's file or with what is done to it.

    Args:
        path: Raw scan; one that is absent has a fingerprint as well.
        settings: What is done to it.
    """
    path = Path(path)
    state = [path.stat().st_size, path.stat().st_mtime_ns] if path.is_file() else []
    return hashlib.sha256(json.dumps([VERSION, str(path), state, settings]).encode()).hexdigest()[:16]


def read_record(folder: Path, stem: str, fingerprint: str) -> dict[str, Any] | None:
    """Read what was noted about a scan that is done.

    Args:
        folder: Folder of the prepared cohort.
        stem: Path of the scan's files in it, without ending.
        fingerprint: What the scan must have been made from.

    Returns:
        Columns of the scan's row; None when it is to be made.
    """
    try:
        record = json.loads((folder / f"{stem}_{RECORD}").read_text())
        done = record["fingerprint"] == fingerprint and all((folder / name).is_file() for name in name_files(stem).values())
        return dict(record["columns"]) if done else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_scan(
    folder: Path, stem: str, prepared: PreparedScan, raw_image: str, fingerprint: str, columns: dict[str, Any]
) -> None:
    """Write the files of a prepared scan.

    Args:
        folder: Folder of the prepared cohort.
        stem: Path of the scan's files in it, without ending.
        prepared: The scan.
        raw_image: Where it comes from.
        fingerprint: Of raw scan and settings.
        columns: Columns of the scan's row that tell how it went.
    """
    files = {column: folder / name for column, name in name_files(stem).items()}
    write_nifti(files["image"], prepared.image, prepared.affine)
    write_nifti(files["brain_mask"], prepared.brain_mask, prepared.affine)
    with write_atomically(files["transform"]) as path:
        header = "world of the raw scan to world of the prepared scan, mm (RAS)"
        np.savetxt(path, prepared.transform, fmt="%.12g", header=header)
    save_picture(prepared, files["picture"])
    record = {"RawSources": [raw_image], "SkullStripped": True, "fingerprint": fingerprint, "columns": columns}
    with write_atomically(folder / f"{stem}_{RECORD}") as path:
        path.write_text(json.dumps(record, indent=2) + "\n")


def remove_scan(folder: Path, stem: str) -> None:
    """Remove what an earlier run left of a scan.

    Args:
        folder: Folder of the prepared cohort.
        stem: Path of the scan's files in it, without ending.
    """
    for name in (f"{stem}_{RECORD}", *name_files(stem).values()):
        (folder / name).unlink(missing_ok=True)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table with tabs; missing values become "n/a".

    Args:
        table: What to write.
        path: Its file.
    """
    with write_atomically(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="n/a")
