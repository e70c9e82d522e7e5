"""The field strength of scans, and the choice of one."""

import json
from pathlib import Path

import pandas as pd

from bundle.cohorts.exclusions import Omissions
from bundle.cohorts.tables import read_columns

COLUMNS = ("field_strength", "MagneticFieldStrength", "magnetic_field_strength", "mri_field", "FLDSTRENG")
TOLERANCE = 0.25  # T; scanners sold as 3 T report 2.89 to 3.0


def select_field_strength(scans: pd.DataFrame, field_strength: float | None, omissions: Omissions) -> pd.DataFrame:
    """Keep the scans of one field strength, where field strengths are known at all.

    They are read from the column `field_strength` if there is one, else from the `_scans.tsv` of a scan's session, else from
    the JSON file beside the scan. When none of the scans has one, all are kept.

    Args:
        scans: Rows with `image`, and perhaps `field_strength` in T.
        field_strength: The wanted one in T; None for any.
        omissions: Notes what is left out.

    Returns:
        The kept rows, without the column.
    """
    if field_strength is None:
        return scans.drop(columns="field_strength", errors="ignore")
    known = scans.get("field_strength", pd.Series(float("nan"), index=scans.index)).astype(float)
    for read in (read_scans_table, read_sidecar):
        known = known.where(known.notna(), scans.loc[known.isna(), "image"].map(read).astype(float))
    scans = scans.assign(field_strength=known)
    if known.notna().any():
        scans = omissions.drop(scans, scans["field_strength"].isna(), "of unknown field strength")
        other = (scans["field_strength"] - field_strength).abs() > TOLERANCE
        scans = omissions.drop(scans, other, f"of another field strength than {field_strength:g} T")
    return scans.drop(columns="field_strength")


def read_field_strengths(column: pd.Series) -> pd.Series:
    """Return field strengths in T from texts such as "3", "2.89", "3T" and "3 Tesla MRI".

    Args:
        column: Text.
    """
    return column.astype("string").str.extract(r"(\d+(?:\.\d+)?)", expand=False).astype(float)


def read_scans_table(image: str) -> float:
    """Return the field strength in T that the BIDS table of a session's scans tells; NaN when it tells none.

    Args:
        image: Path of the scan, `sub-*/ses-*/anat/*.nii.gz`.
    """
    path = Path(image)
    for table in sorted(path.parent.parent.glob("*_scans.tsv")):
        rows = read_columns(table, {"filename": ["filename"], "field_strength": COLUMNS}, ["filename"])
        rows = rows[rows["filename"] == f"{path.parent.name}/{path.name}"]
        if "field_strength" in rows and len(rows):
            return float(read_field_strengths(rows["field_strength"]).iloc[0])
    return float("nan")


def read_sidecar(image: str) -> float:
    """Return the field strength in T that the JSON file beside a scan tells; NaN when there is none.

    Args:
        image: Path of the scan.
    """
    path = Path(image.removesuffix(".gz").removesuffix(".nii") + ".json")
    try:
        return float(json.loads(path.read_text())["MagneticFieldStrength"])
    except (OSError, ValueError, KeyError, TypeError):
        return float("nan")
