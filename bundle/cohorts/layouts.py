"""Where the scans of a cohort lie: its folder, BIDS, Clinica's CAPS, and names with participant and session."""

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from bundle.cohorts.exclusions import Exclusions
from bundle.data.scans import SUFFIXES
from bundle.files import TEMPORARY_PREFIX

COLUMNS = ("participant_id", "session_id", "image")
ADNI_PARTICIPANT = re.compile(r"(?<!\d)(\d{3})_S_(\d{4,5})(?!\d)|sub-ADNI(\d{3})S(\d{4,5})(?!\d)")
ADNI_SESSION = re.compile(r"(?<![A-Za-z0-9])(ses-M\d+|m\d{2,3}|bl|sc)(?![A-Za-z0-9])", re.IGNORECASE)
BASELINES = ("bl", "sc", "scmri", "screening", "baseline")
DATE = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)")
LAYOUTS = {  # glob pattern of participants' folders, path from a session's folder to the scan's, glob pattern of scans
    "bids": ("sub-*", "anat", "*_T1w.nii*"),
    "caps": ("subjects/sub-*", "t1_linear", "*_space-MNI152NLin2009cSym_desc-Crop_res-1x1x1_T1w.nii*"),
    "caps-uncropped": ("subjects/sub-*", "t1_linear", "*_space-MNI152NLin2009cSym_res-1x1x1_T1w.nii*"),
}


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
    if layout == "flat":
        scans = _find_flat(dataset_dir, scan or "*", exclusions)
        looked_for = f"{scan or '*.nii.gz'} with names like 002_S_0295 or sub-ADNI002S0295"
    elif layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)} or flat, got {layout!r}")
    else:
        subjects, folder, pattern = LAYOUTS[layout]
        looked_for = f"{subjects}/[ses-*/]{folder}/{scan or pattern}"
        scans = pd.DataFrame(_find_in_sessions(dataset_dir, subjects, folder, scan or pattern), columns=COLUMNS)
    if scans.empty:
        raise ValueError(f"{dataset_dir} holds no scan of the layout {layout}: looked for {looked_for}")
    scans = scans.assign(length=scans["image"].map(len)).sort_values(["participant_id", "session_id", "length", "image"])
    named = scans["session_id"].notna() | (layout != "flat")
    again = scans.duplicated(["participant_id", "session_id"]) & named
    return exclusions.drop(scans.drop(columns="length"), again, "another scan of the same session")


def _find_in_sessions(dataset_dir: Path, subjects: str, folder: str, pattern: str) -> Iterable[tuple[str, str | None, str]]:
    """Yield participant, session and path of the scans in folders of participants, with or without sessions."""
    for subject in sorted(dataset_dir.glob(subjects)):
        for session in [subject, *sorted(subject.glob("ses-*"))]:
            for path in sorted((session / folder).glob(pattern)):
                if is_scan(path):
                    yield subject.name, None if session == subject else session.name, str(path)


def _find_flat(dataset_dir: Path, pattern: str, exclusions: Exclusions) -> pd.DataFrame:
    """Return the scans with ADNI's identifiers in their path, with its session or else its date."""
    rows = []
    for path in sorted(filter(is_scan, dataset_dir.rglob(pattern))):
        text = str(path.relative_to(dataset_dir))
        participants, sessions, dates = ADNI_PARTICIPANT.findall(text), ADNI_SESSION.findall(text), DATE.findall(text)
        if not participants:
            exclusions.add(text, None, "without an ADNI identifier in the name")
            continue
        session = name_session(sessions[-1]) if sessions else None
        participant = name_participant("_S_".join(filter(None, participants[-1])))
        rows.append((participant, session, str(path), dates[-1] if dates else None))
    return pd.DataFrame(rows, columns=[*COLUMNS, "date"], dtype=object)


def name_participant(identifier: str) -> str:
    """Return the BIDS name of an ADNI participant, such as sub-ADNI002S0295 for 002_S_0295; BIDS names stay as they are."""
    return identifier if identifier.startswith("sub-") else f"sub-ADNI{identifier.replace('_', '')}"


def parse_months(session: object) -> float:
    """Return the number at the end of a session's name, such as 12 months for ses-M012, ses-M12 and m12; NaN when there is none.

    "bl" and "sc" (screening) are month 0.
    """
    name = "" if pd.isna(session) else str(session).lower().removeprefix("ses-")
    found = re.search(r"(\d+)$", name)
    return 0.0 if name in BASELINES else float(found[1]) if found else float("nan")


def name_session(code: str) -> str:
    """Return the BIDS name of an ADNI visit, such as ses-M012 for m12 and ses-M000 for bl; others stay as they are."""
    months = parse_months(code)
    return code if months != months else f"ses-M{int(months):03d}"


def is_scan(path: Path) -> bool:
    """Check whether a path is a NIfTI file that is no leftover of an interrupted run."""
    return path.name.endswith(SUFFIXES) and not path.name.startswith((TEMPORARY_PREFIX, "._")) and path.is_file()
