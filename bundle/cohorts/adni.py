"""Reader of the Alzheimer's Disease Neuroimaging Initiative (ADNI), https://adni.loni.usc.edu."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bundle.cohorts.adni_tables import find_sessions, read_visits, select_field_strength
from bundle.cohorts.classes import check_number, label_values, name_classes
from bundle.cohorts.columns import join_table
from bundle.cohorts.exclusions import Exclusions
from bundle.cohorts.layouts import find_folder, find_scans, name_session
from bundle.cohorts.manifests import finish_manifest
from bundle.cohorts.sessions import drop_reverters, split_converters
from bundle.cohorts.splits import Splitting

COHORT = "ADNI"
STAGES = (("CN",), ("MCI",), ("AD",))  # a return to an earlier one counts even where it is of no class


def read_adni(
    dataset_dir: str | Path,
    layout: str = "bids",
    labels: str | Path | None = None,
    classes: Sequence[Sequence[str]] = (("MCI",), ("AD",)),
    field_strength: float | None = 3.0,
    held_out: str = "converters",
    sessions: str = "first",
    scan: str | None = None,
    splitting: Splitting | None = None,
    num_classes: int | None = None,
) -> pd.DataFrame:
    """Read ADNI: mild cognitive impairment (0) against Alzheimer's disease (1), converters for validation and test.

    Source: Bass et al., NeurIPS 2020, Sec. 4.3 (https://arxiv.org/abs/2006.08287): 3 T only, converters are not trained on.

    All visits of the labels decide on conversion and on return to an earlier diagnosis, also those without a usable scan.

    Args:
        dataset_dir: Folder with the scans.
        layout: "bids", "caps" (Clinica's t1-linear, cropped), "caps-uncropped", or "flat" for any files whose path holds
            the participant (002_S_0295 or sub-ADNI002S0295) and the visit (m12, ses-M012 or the day of the scan).
        labels: BIDS folder, ADNIMERGE.csv, or TSV with participant_id, session_id, diagnosis, age and sex; None for those in
            `dataset_dir`.
        classes: Diagnoses of each class, such as [[CN], [MCI], [AD]]; "Dementia" is AD.
        field_strength: In T, where it is known; None for any.
        held_out: "converters" when nobody else is validated and tested on, or "everyone".
        sessions: "first" or "all" of each participant who is no converter.
        scan: Glob pattern of a scan's file name; None for the layout's own.
        splitting: Splits participants; None for the default one.
        num_classes: Number of classes of the network, for a check; None for none.

    Returns:
        The manifest, as of `bundle.data.read_manifest`: one row a scan.

    Raises:
        FileNotFoundError: When the folder or the labels are absent.
        ValueError: When a table is wrong, an option is unknown, or too few scans are left.
    """
    check_number(classes, num_classes)
    folder, exclusions = find_folder(dataset_dir), Exclusions(COHORT)
    scans = find_scans(folder, layout, scan, exclusions)
    visits = read_visits(folder if labels is None else labels, exclusions)
    scans = _join(scans, visits, exclusions)
    scans = label_values(scans, "diagnosis", classes, exclusions)
    scans = select_field_strength(scans, field_strength, exclusions)
    history, stages = (label_values(visits, "diagnosis", groups, Exclusions(COHORT)) for groups in (classes, STAGES))
    scans = drop_reverters(scans, stages, exclusions)
    scans = split_converters(scans, history, splitting or Splitting(), held_out, sessions, exclusions)
    return finish_manifest(scans, name_classes(classes), exclusions)


def _join(scans: pd.DataFrame, visits: pd.DataFrame, exclusions: Exclusions) -> pd.DataFrame:
    """Join scans and visits; ses-M00 and ses-M000 are the same session."""
    if "date" in scans:
        scans = scans.assign(session_id=find_sessions(scans, visits)).drop(columns="date")
        scans = exclusions.drop(scans, scans["session_id"].isna(), "scan without a session in its path")
        again = scans.duplicated(["participant_id", "session_id"])
        scans = exclusions.drop(scans, again, "another scan of the same session")
    scans = scans.assign(own=scans["session_id"], session_id=scans["session_id"].map(name_session, na_action="ignore"))
    joined = join_table(scans, visits.drop(columns="date", errors="ignore"), ["participant_id", "session_id"], exclusions)
    return joined.assign(session_id=joined.pop("own"))
