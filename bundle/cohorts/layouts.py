"""Where the scans of a cohort lie: its folder, BIDS, Clinica's CAPS, and names with participant and session."""

import fnmatch
import os
import re
from pathlib import Path

import pandas as pd

from bundle.cohorts.exclusions import Exclusions
from bundle.data.discovery import BIDS, CAPS, DEAD, MAPS, Discovery, is_dead

COLUMNS = ("participant_id", "session_id", "image")
ADNI_PARTICIPANT = re.compile(r"(?<!\d)(\d{3})_S_(\d{4,5})(?!\d)|sub-ADNI(\d{3})S(\d{4,5})(?!\d)")
ADNI_SESSION = re.compile(r"(?<![A-Za-z0-9])(ses-M\d+|m\d{2,3}|bl|sc)(?![A-Za-z0-9])", re.IGNORECASE)
BASELINES = ("bl", "baseline")
SCREENINGS = ("sc", "scmri", "screening")  # their scans are the baseline's; as visits they are others
DATE = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)")
LAYOUTS = {  # layout, and glob pattern of a scan's name
    "bids": (BIDS, "*_T1w.*"),
    "caps": (CAPS, "*_space-MNI152NLin2009cSym_desc-Crop_res-1x1x1_T1w.*"),
    "caps-uncropped": (CAPS, "*_space-MNI152NLin2009cSym_res-1x1x1_T1w.*"),
}
PLACES = {"BIDS": "sub-*/[ses-*/]anat", "CAPS": "subjects/sub-*/ses-*/t1_linear"}


def find_folder(dataset_dir: str | Path) -> Path:
    """Return the folder of a cohort that exists on disk, absolute; nothing is simulated.

    Raises:
        FileNotFoundError: When the folder is absent.
    """
    folder = Path(dataset_dir).expanduser().resolve()
    if not folder.is_dir():
        raise FileNotFoundError(f"dataset_dir {folder} does not exist: give the folder of the cohort, with the scans")
    return folder


def find_scans(dataset_dir: Path, layout: str, scan: str | None, exclusions: Exclusions) -> pd.DataFrame:
    """List the scans of a folder.

    Args:
        dataset_dir: Its path.
        layout: "bids", "caps" (Clinica's t1-linear), "caps-uncropped", or "flat": ADNI's identifiers anywhere in a path.
        scan: Glob pattern of a scan's file name; None for the layout's own.
        exclusions: Notes what is excluded.

    Returns:
        participant_id, session_id and image (absolute path) of each scan, one a session; of a flat layout also `date`.

    Raises:
        ValueError: When the layout is unknown or the folder holds no scan of it.
    """
    discovery = Discovery(dataset_dir)
    if layout == "flat":
        paths, looked_for = discovery.find(None), f"{scan or '*.nii.gz'} with names like 002_S_0295 or sub-ADNI002S0295"
        scans = _describe_flat([path for path in paths if fnmatch.fnmatch(path.name, scan or "*")], dataset_dir, exclusions)
    elif layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)} or flat, got {layout!r}")
    else:
        own, pattern = LAYOUTS[layout]
        looked_for = f"{PLACES[own.name]}/{scan or pattern}"
        scans = pd.DataFrame(map(_describe, discovery.find(None, MAPS, own, scan or pattern)), columns=COLUMNS)
    discovery.log()
    if scans.empty:
        raise ValueError(f"{dataset_dir} holds no scan of the layout {layout}: looked for {looked_for}")
    scans = exclusions.drop(scans, scans["image"].map(is_dead), DEAD)
    scans = scans.assign(length=scans["image"].map(len)).sort_values(["participant_id", "session_id", "length", "image"])
    named = scans["session_id"].notna() | (layout != "flat")
    again = scans.duplicated(["participant_id", "session_id"]) & named
    return exclusions.drop(scans.drop(columns="length"), again, "another scan of the same session")


def _describe(path: Path) -> tuple[str, str | None, str]:
    """Return participant, session and path of a scan in folders of participants, with or without sessions."""
    session = path.parent.parent.name
    return (session, None, str(path)) if session.startswith("sub-") else (path.parent.parent.parent.name, session, str(path))


def _describe_flat(paths: list[Path], dataset_dir: Path, exclusions: Exclusions) -> pd.DataFrame:
    """Return the scans with ADNI's identifiers in their path, with its session or else its date."""
    rows = []
    for path in paths:
        text = os.path.relpath(path, dataset_dir)
        participants, sessions, dates = ADNI_PARTICIPANT.findall(text), ADNI_SESSION.findall(text), DATE.findall(text)
        if not participants:
            exclusions.add(text, None, "without an ADNI identifier in the name")
            continue
        session = sessions[-1] if sessions else None
        session = "bl" if session and session.lower() in SCREENINGS else session
        participant = name_participant("_S_".join(filter(None, participants[-1])))
        rows.append((participant, session and name_session(session), str(path), dates[-1] if dates else None))
    return pd.DataFrame(rows, columns=[*COLUMNS, "date"], dtype=object)


def name_participant(identifier: str) -> str:
    """Return the BIDS name of an ADNI participant, such as sub-ADNI002S0295 for 002_S_0295; BIDS names stay as they are."""
    found = re.fullmatch(r"(?:sub-)?(?:ADNI)?(\d{3})_?S_?(\d{4,5})", identifier)
    return f"sub-ADNI{found[1]}S{found[2]}" if found else identifier


def parse_months(session: object) -> float:
    """Return the months since baseline of an ADNI visit, such as 12 for ses-M012, ses-M12, m12 and ses-12; 0 for bl; else NaN.

    Codes of other kinds, such as y1, v05, uns1, sc and 4_bl, are no months since baseline.
    """
    name = "" if pd.isna(session) else str(session).lower().removeprefix("ses-")
    found = re.fullmatch(r"m?(\d+)", name)
    return 0.0 if name in BASELINES else float(found[1]) if found else float("nan")


def name_session(code: str) -> str:
    """Return the BIDS name of an ADNI visit, such as ses-M012 for m12 and ses-M000 for bl; others stay as they are."""
    months = parse_months(code)
    return code if months != months else f"ses-M{int(months):03d}"
