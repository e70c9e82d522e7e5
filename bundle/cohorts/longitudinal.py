"""From labelled scans of participants over time to the scans that a cohort uses, each with its split and pair."""

from collections.abc import Sequence

import pandas as pd

from bundle.cohorts.manifests import check_any
from bundle.cohorts.omissions import Omissions
from bundle.cohorts.sessions import choose_sessions, drop_reverters, find_pairs, sort_sessions
from bundle.cohorts.splits import Splitting

MAX_DAYS = 90  # between the day of a scan and that of a visit


def split_converters(
    scans: pd.DataFrame, splitting: Splitting, held_out: str, sessions: str, cohort: str, omissions: Omissions
) -> pd.DataFrame:
    """Keep converters for validation and test with a pair of scans each, and take one session, or all, of everyone else.

    Source: Bass et al., NeurIPS 2020, Sec. 4.3 (https://arxiv.org/abs/2006.08287), as in Baumgartner et al., CVPR 2018.

    Args:
        scans: Rows with participant_id, session_id and label.
        splitting: Splits participants.
        held_out: "converters" when nobody else is validated and tested on, as in the paper, or "everyone".
        sessions: "first" or "all" of each participant who is no converter.
        cohort: Its name, for messages.
        omissions: Notes what is left out.

    Returns:
        The rows with `split` and `pair`: the first scan of a converter's first class and the first of the last class name
        each other.

    Raises:
        ValueError: When nothing is left, or there is nobody to validate and test on.
    """
    scans = drop_reverters(scans, omissions)
    check_any(scans, cohort, omissions)
    scans = scans.assign(pair=find_pairs(scans))
    converters = set(scans.loc[scans["pair"].notna(), "participant_id"])
    scans = scans.assign(split=splitting.assign(scans, converters, held_out))
    scans = omissions.drop(scans, scans["split"].isna(), "not in the table of splits")
    return choose_sessions(scans, sessions, omissions)


def split_participants(
    scans: pd.DataFrame, splitting: Splitting, sessions: str, cohort: str, omissions: Omissions
) -> pd.DataFrame:
    """Split participants whose scans are not compared with each other, and take one session, or all, of each.

    Args:
        scans: Rows with participant_id and label, perhaps session_id.
        splitting: Splits participants.
        sessions: "first" or "all" of each participant.
        cohort: Its name, for messages.
        omissions: Notes what is left out.

    Returns:
        The rows with `split`.

    Raises:
        ValueError: When nothing is left, or there are too few participants.
    """
    check_any(scans, cohort, omissions)
    scans = sort_sessions(scans)
    scans = choose_sessions(scans.assign(split=""), sessions, omissions)
    scans = scans.assign(split=splitting.assign(scans))
    return omissions.drop(scans, scans["split"].isna(), "not in the table of splits")


def join_visits(scans: pd.DataFrame, visits: pd.DataFrame, keys: Sequence[str], omissions: Omissions) -> pd.DataFrame:
    """Join scans and what is known of them.

    Args:
        scans: Rows with participant_id, session_id and image.
        visits: Rows with the keys and what is known.
        keys: Columns that both have; those of a visit name it.
        omissions: Notes scans without a row, and rows without a scan.

    Returns:
        The rows that both have.
    """
    joined = scans.merge(visits, on=list(keys), how="outer", indicator="found")
    joined = omissions.drop(joined, joined["found"] == "right_only", "in the table, without a scan")
    joined = omissions.drop(joined, joined["found"] == "left_only", "scan without a row in the table")
    return joined.drop(columns="found")


def find_sessions(scans: pd.DataFrame, visits: pd.DataFrame) -> pd.Series:
    """Name the sessions of scans of which only the day is known, after the nearest visit.

    Args:
        scans: Rows with participant_id, session_id (NaN where unknown) and date.
        visits: Rows with participant_id, session_id and date.

    Returns:
        The session of each scan; NaN where no visit is within 90 days.
    """
    sessions, dates = scans["session_id"].copy(), pd.to_datetime(scans["date"], errors="coerce")
    known = dict(tuple(visits.dropna(subset="date").groupby("participant_id"))) if "date" in visits else {}
    for index in scans.index[sessions.isna() & dates.notna()]:
        near = known.get(scans.loc[index, "participant_id"], visits.iloc[:0])
        days = (near["date"] - dates[index]).abs().dt.days if len(near) else pd.Series(dtype=float)
        if days.min() <= MAX_DAYS:
            sessions[index] = near.loc[days.idxmin(), "session_id"]
    return sessions
