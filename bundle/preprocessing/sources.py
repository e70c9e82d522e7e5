"""Which scans a folder, a table or a dataset (BIDS, Clinica CAPS) holds, and what the prepared ones are called."""

import re
from pathlib import Path

import pandas as pd

from bundle.cohorts.layouts import is_scan
from bundle.data.manifest import PATHS, read_table
from bundle.data.scans import SUFFIXES, strip_suffix
from bundle.files import MANIFEST, PARTICIPANTS, make_unique

BIDS = ("sub-*/anat/*_T1w.nii*", "sub-*/ses-*/anat/*_T1w.nii*")
CAPS = ("subjects/sub-*/ses-*/t1_linear/*_T1w.nii*",)
ENTITY = re.compile(r"([a-zA-Z]+)-([0-9a-zA-Z]+)")
REPLACED = ("sub", "ses", "space", "desc", "res", "den")  # entities that do not carry over
MAPS = ("_fa_mean", "_fa_variance", "_fa_low", "_fa_high", "_fa_exemplar", "_fa_value", "_translated", "_translated_value")
MADE = ("_desc-prepared_T1w", "_desc-brain_mask", "_interpolation", *MAPS)
STALE = {*PATHS, "raw_image", "transform"}  # columns that belong to the raw grid


def find_raw_scans(dataset_dir: str | Path) -> pd.DataFrame:
    """List the scans of a NIfTI file, a folder, a table, or a dataset in the layout of BIDS or Clinica CAPS.

    A table (`manifest.tsv` or `participants.tsv` in the folder, or a file ending in `.tsv`) is taken when it has the column
    `image`, with paths relative to it; its other columns carry over, except paths. Otherwise T1-weighted scans are found by the
    layout, and in a folder of no such layout all NIfTI files are taken, at any depth.

    Args:
        dataset_dir: File or folder.

    Returns:
        One row a scan: participant_id, session_id (missing where there is none), columns of the table, raw_image (absolute
        path) and stem (path of the prepared files below the output folder, without ending, unique).

    Raises:
        FileNotFoundError: When there is no such file or folder.
        ValueError: When there is no scan in it.
    """
    source = Path(dataset_dir).expanduser().resolve()
    if not source.exists():
        raise FileNotFoundError(f"dataset_dir {source} does not exist: give a NIfTI file, a folder or a .tsv table")
    rows = _read_rows(source)
    if rows is None:
        paths = [source] if source.is_file() else _find_paths(source)
        folder = source.parent if source.is_file() else source
        rows = pd.DataFrame([_describe(path, folder) for path in paths])
    if rows.empty:
        raise ValueError(f"dataset_dir {source} holds no scan: accepted are files ending in {' or '.join(SUFFIXES)}")
    rows["stem"] = make_unique((_name(row) for row in rows.to_dict("records")), "_copy-")
    return rows


def _read_rows(source: Path) -> pd.DataFrame | None:
    """Return the rows of a table with the column image, if there is one."""
    tables = [source] if source.suffix == ".tsv" else [source / MANIFEST, source / PARTICIPANTS]
    for table in filter(Path.is_file, tables):
        rows = read_table(table)
        if "image" not in rows:
            continue
        if rows["image"].isna().any():
            line = int(rows.index[rows["image"].isna()][0]) + 2
            raise ValueError(f"{table} names no image in line {line}: accepted is a path in every row")
        raw = [str(table.parent / path) for path in rows["image"]]
        described = pd.DataFrame([_describe(Path(path), table.parent) for path in raw], index=rows.index)
        for column in ("participant_id", "session_id"):
            rows[column] = rows[column].fillna(described[column]) if column in rows else described[column]
        return rows[[name for name in rows if name not in STALE]].assign(raw_image=raw)
    if source.suffix == ".tsv":
        raise ValueError(f"{source} lacks the column image (tab-separated)")
    return None


def _find_paths(folder: Path) -> list[Path]:
    """Return the scans of a folder in the order of their names."""
    for layout in (BIDS, CAPS):
        found = sorted(path for pattern in layout for path in folder.glob(pattern) if _is_scan(path))
        if found:
            return _drop_crops(found)
    return sorted(path for path in folder.rglob("*.nii*") if _is_scan(path))


def _is_scan(path: Path) -> bool:
    """Check whether a file is a scan, and none that this bundle wrote."""
    return is_scan(path) and not strip_suffix(path.name).endswith(MADE)


def _drop_crops(paths: list[Path]) -> list[Path]:
    """Leave out the cropped copies of scans that are there as a whole."""
    names = {str(path) for path in paths}
    return [path for path in paths if "_desc-Crop" not in path.name or str(path).replace("_desc-Crop", "") not in names]


def _describe(path: Path, folder: Path) -> dict[str, str | None]:
    """Return participant and session of a scan, from the entities of its path or else from its whole name."""
    relative = path.relative_to(folder) if path.is_relative_to(folder) else Path(path.name)
    entities = dict(ENTITY.findall(str(relative)))
    plain = re.sub("[^0-9a-zA-Z]", "", strip_suffix(str(relative)))
    session = entities.get("ses")
    return {
        "participant_id": f"sub-{entities.get('sub', plain)}",
        "session_id": f"ses-{session}" if session and "sub" in entities else None,
        "raw_image": str(path),
    }


def _name(row: dict) -> str:
    """Return the path of the prepared files of a scan, without ending."""
    parts = [f"sub-{_clean(str(row['participant_id']).removeprefix('sub-'))}"]
    if not pd.isna(row["session_id"]):
        parts.append(f"ses-{_clean(str(row['session_id']).removeprefix('ses-'))}")
    kept = [f"{key}-{value}" for key, value in ENTITY.findall(Path(row["raw_image"]).name) if key not in REPLACED]
    return "/".join([*parts, "anat", "_".join([*parts, *kept])])


def _clean(name: str) -> str:
    return re.sub("[^0-9a-zA-Z]", "", name) or "unnamed"
