"""The sessions of participants: their order, pairs of converters, and which are used, in which split."""

import logging

import numpy as np
import pandas as pd

from bundle.cohorts.exclusions import Exclusions
from bundle.cohorts.layouts import BASELINES, SCREENINGS
from bundle.cohorts.splits import Splitting

SESSIONS = ("first", "all")

logger = logging.getLogger(__name__)


def split_converters(
    scans: pd.DataFrame, history: pd.DataFrame, splitting: Splitting, held_out: str, sessions: str, exclusions: Exclusions
) -> pd.DataFrame:
    """Keep converters for validation and test with a pair of scans each, and take one session, or all, of everyone else.

    Conversion and return come from the history, so that nobody counts as stable who lacks a later scan. Converters without a
    pair of scans are excluded, unless the splits come from a table.

    Source: Bass et al., NeurIPS 2020, Sec. 4.3 (https://arxiv.org/abs/2006.08287), as in Baumgartner et al., CVPR 2018.

    Args:
        scans: Rows with participant_id, session_id and label.
        history: The same of all visits, those without a usable scan as well.
        splitting: Splits participants.
        held_out: "converters" when nobody else is validated and tested on, as in the paper, or "everyone".
        sessions: "first" or "all" of each participant who is no converter.
        exclusions: Notes what is excluded.

    Returns:
        The rows with `split` and `pair`: the first scan of a converter's first class and the first of the last class name
        each other.
    """
    scans = drop_reverters(sort_sessions(scans), history, exclusions)
    if splitting.table is None:
        scans = drop_unpaired(scans, history, exclusions)
    exclusions.check_any(scans)
    scans = scans.assign(pair=find_pairs(scans))
    converters = set(scans.loc[scans["pair"].notna(), "participant_id"])
    scans = scans.assign(split=splitting.assign(scans, converters, held_out))
    scans = exclusions.drop(scans, scans["split"].isna(), "not in the table of splits")
    return choose_sessions(scans, sessions, exclusions)


def split_participants(scans: pd.DataFrame, splitting: Splitting, sessions: str, exclusions: Exclusions) -> pd.DataFrame:
    """Split participants whose scans are not compared with each other, and take one session, or all, of each.

    `sessions` is "first" or "all". A `ValueError` when nothing is left, or there are too few participants.
    """
    exclusions.check_any(scans)
    scans = choose_sessions(sort_sessions(scans).assign(split=""), sessions, exclusions)
    scans = scans.assign(split=splitting.assign(scans))
    return exclusions.drop(scans, scans["split"].isna(), "not in the table of splits")


def sort_sessions(scans: pd.DataFrame) -> pd.DataFrame:
    """Sort scans by participant and time, with a new index: the number of the session, then age, then the session's name.

    Numbers count where all sessions are of one kind, such as M00 and M12, or ses-1 and ses-2, beside bl; else by age alone.
    """
    nothing = pd.Series(np.nan, index=scans.index)
    sessions = scans.get("session_id", nothing)
    keys = scans[["participant_id"]].assign(
        number=number_sessions(sessions),
        age=scans.get("age", nothing).astype(float),
        session=sessions.fillna("").astype(str),
        image=scans.get("image", sessions).fillna("").astype(str),
    )
    return scans.loc[keys.sort_values(list(keys)).index].reset_index(drop=True)


def number_sessions(sessions: pd.Series) -> pd.Series:
    """Return the number at the end of each session's name, 0 for a baseline and -1 for a screening.

    It is NaN for all, with a warning, when there are numbers of several kinds.
    """
    names = sessions.astype("string").str.lower().str.removeprefix("ses-")
    parts = names.str.extract(r"^(.*?)(\d+)$")
    kinds = parts[0].replace("m", "").dropna().unique()
    if len(kinds) > 1:
        logger.warning("sessions are named in several ways (%s): they are ordered by age, then name", ", ".join(
            sessions[parts[0].replace("m", "") == kind].iloc[0] for kind in kinds))  # fmt: skip
        return pd.Series(np.nan, index=sessions.index)
    return parts[1].astype(float).mask(names.isin(BASELINES), 0.0).mask(names.isin(SCREENINGS), -1.0)


def drop_reverters(scans: pd.DataFrame, history: pd.DataFrame, exclusions: Exclusions) -> pd.DataFrame:
    """Exclude participants whose class falls over time: which state their scans show is unclear.

    The history holds all visits, those without a usable scan as well.
    """
    history = sort_sessions(history)
    falls = history.groupby("participant_id")["label"].diff() < 0
    reverters = history.loc[falls, "participant_id"].unique()
    return exclusions.drop(scans, scans["participant_id"].isin(reverters), "of a participant who returns to an earlier class")


def drop_unpaired(scans: pd.DataFrame, history: pd.DataFrame, exclusions: Exclusions) -> pd.DataFrame:
    """Exclude participants who change class but have usable scans of one class alone: they are neither stable nor a pair.

    The history holds all visits, those without a usable scan as well.
    """
    unpaired = find_converters(history) - find_converters(scans)
    return exclusions.drop(scans, scans["participant_id"].isin(unpaired), "of a converter without usable scans of both classes")


def find_converters(visits: pd.DataFrame) -> set[str]:
    """Return the participants of more than one class, of rows with `participant_id` and `label`."""
    counts = visits.groupby("participant_id")["label"].nunique()
    return set(counts.index[counts > 1])


def find_pairs(scans: pd.DataFrame) -> pd.Series:
    """Return for each row the session_id of the scan that it is compared with, NaN for rows in no pair.

    A converter's first scan of the first class and of the last class are a pair; rows are sorted, and labels do not fall.
    """
    pairs = pd.Series(np.nan, index=scans.index, dtype=object)
    for _, rows in scans.groupby("participant_id"):
        if rows["label"].nunique() > 1:
            first = rows.index[rows["label"] == rows["label"].min()][0]
            last = rows.index[rows["label"] == rows["label"].max()][0]
            pairs[first], pairs[last] = scans.loc[last, "session_id"], scans.loc[first, "session_id"]
    return pairs


def choose_sessions(scans: pd.DataFrame, sessions: str, exclusions: Exclusions) -> pd.DataFrame:
    """Take both scans of a pair in validation and test, and one session, or all, of every other participant.

    Rows are sorted by participant and time; `sessions` is "first" or "all". Rows of the training split are in no pair.
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
    return exclusions.drop(scans, spare, "another session of the participant")
