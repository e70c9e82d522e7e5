"""From labelled scans of participants over time to the scans that a cohort uses, each with its split and pair."""

import pandas as pd

from bundle.cohorts.exclusions import Omissions
from bundle.cohorts.manifests import check_any
from bundle.cohorts.sessions import choose_sessions, drop_reverters, drop_unpaired, find_pairs, sort_sessions
from bundle.cohorts.splits import Splitting


def split_converters(
    scans: pd.DataFrame,
    history: pd.DataFrame,
    splitting: Splitting,
    held_out: str,
    sessions: str,
    cohort: str,
    omissions: Omissions,
) -> pd.DataFrame:
    """Keep converters for validation and test with a pair of scans each, and take one session, or all, of everyone else.

    Who converts and who returns is judged by the history, so that nobody counts as stable for want of a later scan. Converters
    without a pair of scans are left out, unless the splits come from a table.

    Source: Bass et al., NeurIPS 2020, Sec. 4.3 (https://arxiv.org/abs/2006.08287), as in Baumgartner et al., CVPR 2018.

    Args:
        scans: Rows with participant_id, session_id and label.
        history: The same of all visits, those without a usable scan as well.
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
    scans = drop_reverters(sort_sessions(scans), history, omissions)
    if splitting.table is None:
        scans = drop_unpaired(scans, history, omissions)
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
