"""Which raw scans a folder, a table or a dataset (BIDS, Clinica CAPS) holds, and what the prepared ones are called."""

import re
from pathlib import Path

import pandas as pd

from bundle.data.discovery import MAPS, PREPARED, find_scan_files, find_source
from bundle.data.formats import strip_suffix
from bundle.data.manifest import PATHS, check_images, read_listed
from bundle.data.tables import read_table
from bundle.files import make_unique

ENTITY = re.compile(r"(?:^|[_/])(sub|ses)-([0-9a-zA-Z+]+)")
STALE = {*PATHS, "raw_image", "transform"}  # columns that belong to the raw grid
ENDING = "_desc-prepared_T1w.nii.gz"


def find_raw_scans(dataset_dir: str | Path, suffix: str | None = "T1w") -> pd.DataFrame:
    """List the scans of a file, a folder, a table, or a dataset in the layout of BIDS or Clinica CAPS.

    A table (`manifest.tsv` or `participants.tsv` in the folder, or the file of a table) is taken when it has the column `image`,
    with paths relative to it; its other columns carry over, except paths. Otherwise scans are found as in inference: see
    `bundle.data.discovery`.

    Prepared scans are called as the raw ones. Below the output folder they lie as the raw ones below theirs; scans of a table
    and of CAPS in `sub-*/[ses-*/]anat`, with their participant's name in front where their own does not hold it.

    Args:
        dataset_dir: File or folder.
        suffix: Contrast that is taken of a BIDS or CAPS dataset; None, or "all", for every scan.

    Returns:
        One row a scan: participant_id, session_id (missing where there is none), columns of the table, raw_image (absolute
        path) and stem (path of the prepared files below the output folder, without ending, unique).

    Raises:
        FileNotFoundError: When there is no such file or folder.
        ValueError: When there is no scan in it.
    """
    source = find_source(dataset_dir)
    folder = source if source.is_dir() else source.parent
    if (listed := read_listed(source)) is not None:
        table, rows = listed
        check_images(rows, table)
        paths = [table.parent / path for path in rows["image"]]
        described = pd.DataFrame([_describe(path, table.parent) for path in paths], index=rows.index)
        for column in described:
            rows[column] = rows[column].fillna(described[column]) if column in rows else described[column]
        rows = rows[[name for name in rows if name not in STALE]].assign(raw_image=[str(path) for path in paths])
    else:
        paths = find_scan_files(source, suffix, (*MAPS, *PREPARED)) if source.is_dir() else [source]
        rows = pd.DataFrame([_describe(path, folder) for path in paths]).assign(raw_image=[str(path) for path in paths])
    stems = [_name(row, folder, listed is not None) for row in rows.to_dict("records")]
    return rows.assign(stem=make_unique(stems, "_"))


def keep_stems(rows: pd.DataFrame, table: Path) -> pd.DataFrame:
    """Return the rows of raw scans with the names that a preparation gave them before, whatever it calls new ones.

    Args:
        rows: From `find_raw_scans`.
        table: `prepared.tsv` of that preparation; it need not exist.
    """
    if not table.is_file():
        return rows
    before = read_table(table).reindex(columns=["raw_image", "image"]).dropna().drop_duplicates("raw_image")
    before = before[before["image"].str.endswith(ENDING)]
    names = dict(zip(before["raw_image"], before["image"].str.removesuffix(ENDING), strict=True))
    kept = [names.pop(path, None) for path in rows["raw_image"]]
    others = make_unique([*(name for name in kept if name), *rows["stem"][[name is None for name in kept]]], "_")
    new = iter(others[sum(name is not None for name in kept) :])
    return rows.assign(stem=[name or next(new) for name in kept])


def _describe(path: Path, folder: Path) -> dict[str, str | None]:
    """Return participant and session of a scan, from the entities of its path or else from its whole name."""
    relative = str(path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name))
    entities = dict(ENTITY.findall(relative))
    person, session = entities.get("sub"), entities.get("ses")
    return {
        "participant_id": f"sub-{person}" if person else strip_suffix(relative),
        "session_id": f"ses-{session}" if person and session else None,
    }


def _name(row: dict, folder: Path, listed: bool) -> str:
    """Return the path of the prepared files of a scan, without ending."""
    path = Path(row["raw_image"])
    own = strip_suffix(path.name).removesuffix("_T1w")
    place = path.parent.relative_to(folder) if path.is_relative_to(folder) else Path()
    if not listed and "t1_linear" not in place.parts:
        return str(place / own)
    parts = [f"sub-{_clean(str(row['participant_id']).removeprefix('sub-'))}"]
    if not pd.isna(row["session_id"]):
        parts.append(f"ses-{_clean(str(row['session_id']).removeprefix('ses-'))}")
    if _clean(parts[0].removeprefix("sub-")).lower() not in _clean(own).lower():
        own = "_".join([*parts, own])
    return "/".join([*parts, "anat", own])


def _clean(name: str) -> str:
    return re.sub("[^0-9a-zA-Z]", "", name) or "unnamed"
