"""The sessions of a participant: their order, the pair of a converter, and which of them are used."""

import re

import numpy as np
import pandas as pd

from bundle.cohorts.exclusions import Omissions

SESSIONS = ("first", "all")
BASELINES = ("bl", "sc", "scmri", "screening", "baseline")


def parse_months(session: object) -> float:
    """Return the number that a session's name ends with, such as 12 months for ses-M012, ses-M12 and m12.

    Args:
        session: Name of the session; "bl" and "sc" (screening) are month 0.

    Returns:
        The number; NaN when there is none.
    """
    if pd.isna(session):
        return float("nan")
    name = str(session).lower().removeprefix("ses-")
    if name in BASELINES:
        return 0.0
    found = re.search(r"(\d+)$", name)
    return float(found[1]) if found else float("nan")


def sort_sessions(scans: pd.DataFrame) -> pd.DataFrame:
    """Sort scans by participant and time: the number of the session, then age, then the session's name.

    Args:
        scans: Rows with `participant_id`, and perhaps `session_id` and `age` (years).

    Returns:
        The sorted rows, with a new index.
    """
    nothing = pd.Series(np.nan, index=scans.index)
    sessions = scans.get("session_id", nothing)
    keys = pd.DataFrame(
        {
            "participant": scans["participant_id"],
            "months": sessions.map(parse_months).astype(float),
            "age": scans.get("age", nothing).astype(float),
            "session": sessions.fillna("").astype(str),
            "image": scans.get("image", sessions).fillna("").astype(str),
        }
    )
    return scans.loc[keys.sort_values(list(keys)).index].reset_index(drop=True)


def drop_reverters(scans: pd.DataFrame, history: pd.DataFrame, omissions: Omissions) -> pd.DataFrame:
    """Leave out participants whose class falls over time: it is not known which state their scans show.

    Args:
        scans: Rows with `participant_id`.
        history: Rows with `participant_id`, `session_id` and `label` of all visits, those without a usable scan as well.
        omissions: Notes what is left out.

    Returns:
        The other rows.
    """
    history = sort_sessions(history)
    falls = history.groupby("participant_id")["label"].diff() < 0
    reverters = history.loc[falls, "participant_id"].unique()
    return omissions.drop(scans, scans["participant_id"].isin(reverters), "of a participant who returns to an earlier class")


def drop_unpaired(scans: pd.DataFrame, history: pd.DataFrame, omissions: Omissions) -> pd.DataFrame:
    """Leave out participants who change class but have usable scans of one class alone: they are neither stable nor a pair.

    Args:
        scans: Rows with `participant_id` and `label`.
        history: The same of all visits, those without a usable scan as well.
        omissions: Notes what is left out.

    Returns:
        The other rows.
    """
    unpaired = find_converters(history) - find_converters(scans)
    return omissions.drop(scans, scans["participant_id"].isin(unpaired), "of a converter without usable scans of both classes")


def find_converters(visits: pd.DataFrame) -> set[str]:
    """Return the participants of more than one class.

    Args:
        visits: Rows with `participant_id` and `label`.
    """
    counts = visits.groupby("participant_id")["label"].nunique()
    return set(counts.index[counts > 1])


def find_pairs(scans: pd.DataFrame) -> pd.Series:
    """Find converters, and the first scan of their first and of their last class.

    Args:
        scans: Rows sorted by participant and time, with `session_id` and a `label` that does not fall.

    Returns:
        For each row the session_id of the scan that it is compared with; NaN for rows that are in no pair.
    """
    pairs = pd.Series(np.nan, index=scans.index, dtype=object)
    for _, rows in scans.groupby("participant_id"):
        if rows["label"].nunique() > 1:
            first = rows.index[rows["label"] == rows["label"].min()][0]
            last = rows.index[rows["label"] == rows["label"].max()][0]
            pairs[first], pairs[last] = scans.loc[last, "session_id"], scans.loc[first, "session_id"]
    return pairs


def choose_sessions(scans: pd.DataFrame, sessions: str, omissions: Omissions) -> pd.DataFrame:
    """Take both scans of a pair in validation and test, and one session, or all, of every other participant.

    Args:
        scans: Rows sorted by participant and time, with `split` and perhaps `pair`.
        sessions: "first" for the first session of a participant, "all" for every one.
        omissions: Notes what is left out.

    Returns:
        The rows that are used; those of the training split are in no pair.

    Raises:
        ValueError: When `sessions` is another word.
    """
    if sessions not in SESSIONS:
        raise ValueError(f"sessions must be one of {', '.join(SESSIONS)}, got {sessions!r}")
    scans = scans.copy()
    if "pair" in scans:
        scans["pair"] = scans["pair"].mask(scans["split"] == "train")
    pairs = scans.get("pair", pd.Series(np.nan, index=scans.index)).notna()
    of_pair = pairs.groupby(scans["participant_id"]).transform("any")
    spare = of_pair & ~pairs
    if sessions == "first":
        spare |= ~of_pair & scans["participant_id"].duplicated()
    return omissions.drop(scans, spare, "another session of the participant")
