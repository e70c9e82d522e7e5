"""What is known of visits, of ADNI's from BIDS tables, ADNIMERGE.csv or a TSV, and which scans belong to them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bundle.cohorts.exclusions import Omissions
from bundle.cohorts.field_strengths import COLUMNS as FIELD_STRENGTH
from bundle.cohorts.field_strengths import read_field_strengths
from bundle.cohorts.layouts import name_participant, name_session
from bundle.cohorts.sessions import parse_months
from bundle.cohorts.tables import merge_repeats, read_columns, read_header, read_numbers, read_sexes

PARTICIPANT = {"participant_id": ["participant_id"], "sex": ["sex", "gender", "Sex"], "baseline_age": ["age_bl", "age"]}
SESSION = {
    "session_id": ["session_id"],
    "diagnosis": ["diagnosis", "DX"],
    "age": ["age"],
    "field_strength": FIELD_STRENGTH,
}
ADNIMERGE = {
    "participant_id": ["PTID"],
    "session_id": ["VISCODE"],
    "diagnosis": ["DX"],
    "age": ["AGE"],
    "sex": ["PTGENDER"],
    "date": ["EXAMDATE"],
    "baseline_date": ["EXAMDATE_bl"],
    "field_strength": FIELD_STRENGTH,
}
KEYS = ("participant_id", "session_id")
DAYS_OF_YEAR = 365.25
MAX_DAYS = 90  # between the day of a scan and that of a visit


def read_visits(labels: str | Path, omissions: Omissions) -> pd.DataFrame:
    """Read the visits of ADNI.

    Args:
        labels: A BIDS folder (participants.tsv and sub-*/sub-*_sessions.tsv), ADNIMERGE.csv, a TSV with participant_id,
            session_id and diagnosis, or a folder that holds one of these as ADNIMERGE*.csv or labels.tsv.
        omissions: Notes repeated rows.

    Returns:
        One row a visit: participant_id, session_id, diagnosis, and where known age (years), sex (F or M), field_strength (T)
        and date.

    Raises:
        FileNotFoundError: When there is no such table.
        ValueError: When a table lacks a column, or its rows contradict each other.
    """
    path = Path(labels).expanduser().resolve()
    if path.is_dir():
        tables = [*sorted(path.glob("ADNIMERGE*.csv")), *path.glob("labels.tsv")]
        if next(path.glob("sub-*/sub-*_sessions.tsv"), None):
            return _read_bids(path, omissions)
        if not tables:
            raise FileNotFoundError(
                f"{path} holds no labels: accepted as labels are a BIDS folder (sub-*/sub-*_sessions.tsv), ADNIMERGE.csv or a"
                " TSV with participant_id, session_id and diagnosis"
            )
        path = tables[0]
    return _read_adnimerge(path, omissions) if "VISCODE" in read_header(path) else _read_list(path, omissions)


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


def _read_bids(folder: Path, omissions: Omissions) -> pd.DataFrame:
    """Read participants.tsv and the table of sessions of each participant."""
    path = folder / "participants.tsv"
    participants = merge_repeats(read_columns(path, PARTICIPANT, ["participant_id"]), ["participant_id"], path, omissions)
    tables = []
    for table in sorted(folder.glob("sub-*/sub-*_sessions.tsv")):
        rows = read_columns(table, SESSION, ["session_id", "diagnosis"])
        rows.insert(0, "participant_id", table.parent.name)
        tables.append(rows)
    visits = _complete(pd.concat(tables, ignore_index=True), folder, omissions)
    visits = visits.merge(participants, on="participant_id", how="left")
    if "baseline_age" in visits:
        ages = read_numbers(visits, "baseline_age", path) + visits["session_id"].map(parse_months) / 12
        visits["age"] = visits["age"].fillna(ages) if "age" in visits else ages
    return _tidy(visits)


def _read_list(path: Path, omissions: Omissions) -> pd.DataFrame:
    columns = {**PARTICIPANT, **SESSION}
    columns.pop("baseline_age")
    return _tidy(_complete(read_columns(path, columns, [*KEYS, "diagnosis"]), path, omissions))


def _read_adnimerge(path: Path, omissions: Omissions) -> pd.DataFrame:
    """Read ADNIMERGE.csv, whose AGE is the one at baseline."""
    visits = read_columns(path, ADNIMERGE, ["participant_id", "session_id", "diagnosis", "age", "date", "baseline_date"])
    visits = omissions.drop(visits, visits["participant_id"].isna() | visits["session_id"].isna(), "without PTID or VISCODE")
    visits = _complete(visits, path, omissions)
    visits["participant_id"] = visits["participant_id"].map(name_participant)
    dates = {name: pd.to_datetime(visits[name], errors="coerce", format="%Y-%m-%d") for name in ("date", "baseline_date")}
    visits["age"] = visits["age"] + (dates["date"] - dates["baseline_date"]).dt.days / DAYS_OF_YEAR
    return _tidy(visits.assign(date=dates["date"]))


def _complete(visits: pd.DataFrame, path: Path, omissions: Omissions) -> pd.DataFrame:
    """Merge repeated rows, name sessions alike, and read numbers."""
    visits["session_id"] = visits["session_id"].map(name_session, na_action="ignore")
    visits = merge_repeats(visits, KEYS, path, omissions)
    if "age" in visits:
        visits["age"] = read_numbers(visits, "age", path)
    return visits


def _tidy(visits: pd.DataFrame) -> pd.DataFrame:
    """Read sexes and field strengths, and drop what is used no more."""
    if "sex" in visits:
        visits["sex"] = read_sexes(visits["sex"])
    if "field_strength" in visits:
        visits["field_strength"] = read_field_strengths(visits["field_strength"])
    return visits.drop(columns=["baseline_age", "baseline_date"], errors="ignore")
