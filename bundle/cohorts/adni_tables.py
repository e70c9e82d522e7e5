"""Tables of ADNI: visits with diagnosis, age and sex, from BIDS, ADNIMERGE.csv or a TSV; and field strengths of scans."""

import json
import logging
from pathlib import Path

import pandas as pd

from bundle.cohorts.columns import merge_repeats, read_columns, tidy_columns
from bundle.cohorts.exclusions import Exclusions
from bundle.cohorts.layouts import name_participant, name_session, parse_months
from bundle.data.ages_and_dates import read_ages, read_dates
from bundle.data.formats import strip_suffix
from bundle.data.participants import name_person
from bundle.data.tables import find_name, read_header
from bundle.files import TABLE_SUFFIXES, locate

FIELD_STRENGTH = ("field_strength", "MagneticFieldStrength", "magnetic_field_strength", "mri_field", "FLDSTRENG")
TOLERANCE = 0.25  # T; scanners sold as 3 T report 2.89 to 3.0
PARTICIPANT = {"participant_id": ["participant_id"], "sex": ["sex", "gender", "Sex"], "baseline_age": ["age_bl", "age"]}
SESSION = {
    "session_id": ["session_id"], "diagnosis": ["diagnosis", "DX"], "age": ["age"], "field_strength": FIELD_STRENGTH,
}  # fmt: skip
ADNIMERGE = {
    "participant_id": ["PTID"], "session_id": ["VISCODE2", "VISCODE"], "diagnosis": ["DX"], "age": ["AGE"], "sex": ["PTGENDER"],
    "date": ["EXAMDATE"], "baseline_date": ["EXAMDATE_bl"], "field_strength": FIELD_STRENGTH,
}  # fmt: skip
KEYS = ("participant_id", "session_id")
DAYS_OF_YEAR = 365.25
STEP = 6  # months between the visits that days are brought to
MAX_DAYS = 90  # between the day of a scan and that of a visit

logger = logging.getLogger(__name__)


def read_visits(labels: str | Path, exclusions: Exclusions) -> pd.DataFrame:
    """Read the visits of ADNI.

    Args:
        labels: A BIDS folder (participants.tsv and sub-*/sub-*_sessions.tsv), ADNIMERGE.csv, a TSV with participant_id,
            session_id and diagnosis, or a folder that holds one of these as ADNIMERGE*.csv or labels.tsv.
        exclusions: Notes repeated rows, and visits whose code is no month since baseline. Where a table has days of visits, the
            day gives the month.

    Returns:
        One row a visit: participant_id, session_id, diagnosis, and where known age (years), sex (F or M), field_strength (T)
        and date.
    """
    path = locate(labels)
    if path.is_dir():
        tables = [
            table
            for name in ("ADNIMERGE*", "labels")
            for table in sorted(path.glob(f"{name}.*"))
            if table.suffix.lower() in TABLE_SUFFIXES
        ]
        if next(path.glob("sub-*/sub-*_sessions.tsv"), None):
            return _read_bids(path, exclusions)
        if not tables:
            raise FileNotFoundError(
                f"{path} holds no labels: accepted as labels are a BIDS folder (sub-*/sub-*_sessions.tsv), ADNIMERGE.csv or a"
                " TSV with participant_id, session_id and diagnosis"
            )
        path = tables[0]
        if len(tables) > 1:
            logger.warning("%s holds %d tables of labels: %s is read", path.parent, len(tables), path.name)
    if find_name(read_header(path), ["VISCODE"]):
        return _read_adnimerge(path, exclusions)
    columns = {**SESSION, **{name: PARTICIPANT[name] for name in ("participant_id", "sex")}}
    visits = read_columns(path, columns, [*KEYS, "diagnosis"])
    visits = exclusions.drop(visits, visits["participant_id"].isna(), "without participant")
    visits["participant_id"] = visits["participant_id"].map(name_participant)
    return _tidy(visits, path, exclusions)


def find_sessions(scans: pd.DataFrame, visits: pd.DataFrame) -> pd.Series:
    """Return the session of each scan, NaN where it is unknown.

    Where only the day of a scan is known, it is the session of the nearest visit within 90 days.
    """
    sessions, dates = scans["session_id"].copy(), pd.to_datetime(scans["date"], errors="coerce")
    known = dict(tuple(visits.dropna(subset="date").groupby("participant_id"))) if "date" in visits else {}
    for index in scans.index[sessions.isna() & dates.notna()]:
        near = known.get(scans.loc[index, "participant_id"], visits.iloc[:0])
        days = (near["date"] - dates[index]).abs().dt.days if len(near) else pd.Series(dtype=float)
        if days.min() <= MAX_DAYS:
            sessions[index] = near.loc[days.idxmin(), "session_id"]
    return sessions


def select_field_strength(scans: pd.DataFrame, field_strength: float | None, exclusions: Exclusions) -> pd.DataFrame:
    """Keep the scans of one field strength in T (None: any), where field strengths are known at all; the column is dropped.

    They are read from the column `field_strength` if there is one, else from the `_scans.tsv` of a scan's session, else from
    the JSON file beside the scan. When none of the scans has one, all are kept.
    """
    if field_strength is None:
        return scans.drop(columns="field_strength", errors="ignore")
    known = scans.get("field_strength", pd.Series(float("nan"), index=scans.index)).astype(float)
    for read in (_read_scans_table, _read_sidecar):
        known = known.where(known.notna(), scans.loc[known.isna(), "image"].map(read).astype(float))
    scans = scans.assign(field_strength=known)
    if known.notna().any():
        scans = exclusions.drop(scans, scans["field_strength"].isna(), "of unknown field strength")
        other = (scans["field_strength"] - field_strength).abs() > TOLERANCE
        scans = exclusions.drop(scans, other, f"of another field strength than {field_strength:g} T")
    return scans.drop(columns="field_strength")


def _read_bids(folder: Path, exclusions: Exclusions) -> pd.DataFrame:
    """Read participants.tsv and the table of sessions of each participant."""
    path = folder / "participants.tsv"
    participants = merge_repeats(read_columns(path, PARTICIPANT, ["participant_id"]), ["participant_id"], path, exclusions)
    tables = []
    for table in sorted(folder.glob("sub-*/sub-*_sessions.tsv")):
        rows = read_columns(table, SESSION, ["session_id", "diagnosis"])
        rows.insert(0, "participant_id", table.parent.name)
        tables.append(rows)
    participants = participants.assign(person=participants.pop("participant_id").map(name_person, na_action="ignore"))
    visits = pd.concat(tables, ignore_index=True)
    visits = visits.assign(person=visits["participant_id"].map(name_person)).merge(participants, on="person", how="left")
    visits = _tidy(visits.drop(columns="person"), folder, exclusions)
    if "baseline_age" in visits:
        ages = read_ages(visits, "baseline_age", path) + visits["session_id"].map(parse_months) / 12
        visits["age"] = visits["age"].fillna(ages) if "age" in visits else ages
    return visits.drop(columns="baseline_age", errors="ignore")


def _read_adnimerge(path: Path, exclusions: Exclusions) -> pd.DataFrame:
    """Read ADNIMERGE.csv, whose AGE is the one at baseline."""
    visits = read_columns(path, ADNIMERGE, ["participant_id", "session_id", "diagnosis", "age", "date", "baseline_date"])
    visits = exclusions.drop(visits, visits["participant_id"].isna() | visits["session_id"].isna(), "without PTID or VISCODE")
    visits["participant_id"] = visits["participant_id"].map(name_participant)
    visits = visits.assign(**read_dates(visits, ["date", "baseline_date"], path))
    visits = _tidy(_translate_codes(visits), path, exclusions)
    return visits.assign(age=visits["age"] + (visits["date"] - visits.pop("baseline_date")).dt.days / DAYS_OF_YEAR)


def _translate_codes(visits: pd.DataFrame) -> pd.DataFrame:
    """Give visits whose code is no month since baseline, such as y1, the month of their day: the nearest of 0, 6, 12, ...

    Visits without a day, and those at the month of another visit, keep their code.
    """
    months = visits["session_id"].map(parse_months).astype(float)
    days = (visits["date"] - visits["baseline_date"]).dt.days
    found = ((days / DAYS_OF_YEAR * 12 / STEP).round() * STEP).where(months.isna()).clip(lower=0)
    rows = visits.assign(month=months.fillna(found), translated=found.notna()).sort_values(["translated", "date"])
    taken = rows.duplicated(["participant_id", "month"]).reindex(visits.index)
    names = found.map(lambda month: f"ses-M{int(month):03d}", na_action="ignore")
    named = found.notna() & ~taken.astype(bool)
    if named.any():
        row = visits[named].iloc[0]
        logger.info("%d visits have the month of their day, as their code is none (first: %s of %s)", named.sum(),
                    row["session_id"], row["participant_id"])  # fmt: skip
    return visits.assign(session_id=visits["session_id"].where(~named, names))


def _tidy(visits: pd.DataFrame, path: Path, exclusions: Exclusions) -> pd.DataFrame:
    """Leave out visits without a month, name the others alike, merge repeated rows, and read numbers and sexes."""
    for code in sorted(visits.loc[visits["session_id"].map(parse_months).isna(), "session_id"].dropna().unique()):
        visits = exclusions.drop(visits, visits["session_id"] == code, f"visit {code}, which is no month since baseline")
    visits["session_id"] = visits["session_id"].map(name_session, na_action="ignore")
    visits = tidy_columns(merge_repeats(visits, KEYS, path, exclusions), path)
    if "field_strength" in visits:
        visits["field_strength"] = _read_field_strengths(visits["field_strength"])
    return visits


def _read_field_strengths(column: pd.Series) -> pd.Series:
    """Return field strengths in T from texts such as "3", "2.89", "3T" and "3 Tesla MRI"; -4 is ADNI's word for none."""
    return column.astype("string").str.extract(r"(?<![-\d.])(\d+(?:[.,]\d+)?)", expand=False).str.replace(",", ".").astype(float)


def _read_scans_table(image: str) -> float:
    """Return the field strength in T in the BIDS table of a session's scans; NaN when there is none."""
    path = Path(image)
    for table in sorted(path.parent.parent.glob("*_scans.tsv")):
        rows = read_columns(table, {"filename": ["filename"], "field_strength": FIELD_STRENGTH}, ["filename"])
        rows = rows[rows["filename"] == f"{path.parent.name}/{path.name}"]
        if "field_strength" in rows and len(rows):
            return float(_read_field_strengths(rows["field_strength"]).iloc[0])
    return float("nan")


def _read_sidecar(image: str) -> float:
    """Return the field strength in T in the JSON file beside a scan; NaN when there is none."""
    path = Path(strip_suffix(image) + ".json")
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["MagneticFieldStrength"])
    except (OSError, ValueError, KeyError, TypeError):
        return float("nan")
