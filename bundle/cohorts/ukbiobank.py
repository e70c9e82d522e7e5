"""UK Biobank, https://www.ukbiobank.ac.uk."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from bundle.cohorts.archives import check_name, extract_scans, find_bulks, find_reason, locate_scan
from bundle.cohorts.classes import check_number, check_ranges, label_ages
from bundle.cohorts.exclusions import Omissions
from bundle.cohorts.locations import find_folder
from bundle.cohorts.longitudinal import split_participants
from bundle.cohorts.manifests import check_any, finish_manifest
from bundle.cohorts.splits import Splitting
from bundle.cohorts.tables import SEPARATORS, merge_repeats, read_columns, read_header, read_numbers, read_sexes
from bundle.cohorts.visits import join_visits

COHORT = "UK Biobank"
INSTANCES = (2, 3)  # first imaging visit and its repeat
PARTICIPANT = ("eid", "f.eid", "participant.eid")
SEX = ("31-0.0", "f.31.0.0", "p31", "participant.p31")
SEXES = {"0": "F", "1": "M", "female": "F", "male": "M"}


def read_ukbiobank(
    dataset_dir: str | Path,
    table: str | Path | None = None,
    classes: Sequence[Sequence[float]] = ((45, 60), (70, 80)),
    field: int = 20252,
    scan: str = "T1/T1.nii.gz",
    extract_dir: str | Path | None = None,
    sessions: str = "first",
    splitting: Splitting | None = None,
    num_classes: int | None = None,
) -> pd.DataFrame:
    """Read UK Biobank: young (0) against old (1), by the age at imaging.

    Source: Bass et al., NeurIPS 2020, Sec. 4.4 (https://arxiv.org/abs/2006.08287): 45 to 60 against 70 to 80 years.

    Args:
        dataset_dir: Folder with archives <eid>_<field>_<instance>_0.zip, or folders of that name, at any depth.
        table: CSV or TSV with eid, 31-0.0 (sex), 21003-2.0 and 21003-3.0 (age at imaging), or their names on the Research
            Analysis Platform (p31, p21003_i2); None for the one in `dataset_dir` that has a column eid.
        classes: First and last age of each class in years, both included.
        field: Of the Showcase: 20252 are T1-weighted scans.
        scan: Path of the scan inside an archive or folder.
        extract_dir: Where scans of archives are written, once; None for the folder `extracted` in `dataset_dir`.
        sessions: "first" usable visit of each participant with an age of a class, or "all".
        splitting: Splits participants; None for the default one.
        num_classes: Number of classes of the network, for a check; None for none.

    Returns:
        The manifest, as of `bundle.data.read_manifest`: one row a scan; sessions are ses-2 and ses-3.

    Raises:
        FileNotFoundError: When the folder or the table is absent.
        ValueError: When the table or an archive is wrong, an option is unknown, or too few scans are left.
    """
    check_number(classes, num_classes)
    check_ranges(classes)
    check_name(scan)
    folder, omissions = find_folder(dataset_dir), Omissions()
    target = Path(extract_dir).expanduser().resolve() if extract_dir else folder / "extracted"
    scans = _find_scans(folder, str(field), target, scan, omissions)
    visits = _read_visits(Path(table).expanduser() if table else _find_table(folder), omissions)
    keys = ["participant_id", "session_id"]
    scanned = pd.MultiIndex.from_frame(visits[keys]).isin(pd.MultiIndex.from_frame(scans[keys]))
    visits = visits[visits["age"].notna() | scanned]  # who has neither age nor scan was not at this visit
    scans = join_visits(scans, visits, keys, omissions)
    scans = omissions.drop(scans, scans["age"].isna(), "without an age at imaging")
    scans = label_ages(scans, classes, omissions)
    scans = _drop_unusable(scans, scan, omissions)
    scans = split_participants(scans, splitting or Splitting(), sessions, COHORT, omissions)
    archives = scans[scans["bulk"].map(lambda bulk: bulk.path.suffix == ".zip")]
    extract_scans(((bulk.path, Path(image)) for bulk, image in zip(archives["bulk"], archives["image"], strict=True)), scan)
    names = [f"{first:g}-{last:g} years" for first, last in classes]
    return finish_manifest(scans.drop(columns="bulk"), COHORT, names, omissions)


def _find_scans(folder: Path, field: str, extract_dir: Path, scan: str, omissions: Omissions) -> pd.DataFrame:
    """Return archives and folders with the paths that their scans have or will have."""
    rows = [
        {
            "participant_id": bulk.participant,
            "session_id": f"ses-{bulk.instance}",
            "image": str(locate_scan(bulk, scan, extract_dir)),
            "bulk": bulk,
        }
        for bulk in find_bulks(folder, field, extract_dir)
    ]
    if not rows:
        raise ValueError(f"{folder} holds no scan: looked for <eid>_{field}_<instance>_0.zip, or folders of that name")
    scans = pd.DataFrame(rows)
    return omissions.drop(scans, scans.duplicated(["participant_id", "session_id"]), "another file of the same visit")


def _find_table(folder: Path) -> Path:
    """Return the table of a folder that has a column eid."""
    tables = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SEPARATORS and path.is_file()]
    tables = [path for path in tables if set(PARTICIPANT) & set(read_header(path))]
    if len(tables) != 1:
        found = ", ".join(path.name for path in tables) or "none"
        raise ValueError(f"{folder} must hold one .csv or .tsv with a column eid, found {found}: name the one to use as table")
    return tables[0]


def _read_visits(path: Path, omissions: Omissions) -> pd.DataFrame:
    """Return one row for each participant and imaging visit; the age may be missing."""
    ages = {f"ses-{n}": (f"21003-{n}.0", f"f.21003.{n}.0", f"p21003_i{n}", f"participant.p21003_i{n}") for n in INSTANCES}
    columns = {"participant_id": PARTICIPANT, "sex": SEX, **ages}
    rows = merge_repeats(read_columns(path, columns, ["participant_id", "ses-2"]), ["participant_id"], path, omissions)
    for session in (name for name in ages if name in rows):
        rows[session] = read_numbers(rows, session, path)
    rows["sex"] = read_sexes(rows["sex"], SEXES) if "sex" in rows else None
    sessions = [name for name in ages if name in rows]
    visits = rows.melt(["participant_id", "sex"], sessions, var_name="session_id", value_name="age")
    return visits.reset_index(drop=True)


def _drop_unusable(scans: pd.DataFrame, scan: str, omissions: Omissions) -> pd.DataFrame:
    """Leave out scans whose archive or folder does not hold them."""
    check_any(scans, COHORT, omissions)
    reasons = pd.Series([find_reason(bulk, scan) for bulk in tqdm(scans["bulk"], desc="scans")], index=scans.index, dtype=object)
    for reason in sorted(reasons.dropna().unique()):
        now = reasons == reason
        scans, reasons = omissions.drop(scans, now, reason), reasons[~now].reset_index(drop=True)
    return scans
