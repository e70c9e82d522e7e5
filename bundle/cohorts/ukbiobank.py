"""Reader of UK Biobank, https://www.ukbiobank.ac.uk."""

import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd
from tqdm import tqdm

from bundle.cohorts.classes import check_number, check_ranges, label_ages
from bundle.cohorts.columns import join_table, merge_repeats, read_columns, read_sexes
from bundle.cohorts.exclusions import Exclusions
from bundle.cohorts.layouts import find_folder
from bundle.cohorts.manifests import finish_manifest
from bundle.cohorts.sessions import split_participants
from bundle.cohorts.splits import Splitting
from bundle.data.ages_and_dates import read_ages
from bundle.data.discovery import Discovery
from bundle.data.formats import has_suffix
from bundle.data.tables import find_name, read_header
from bundle.files import TABLE_SUFFIXES, write_atomically

COHORT = "UK Biobank"
BULK_NAME = re.compile(r"^(\d+)_(\d+)_(\d+)_(\d+)(?:\.zip)?$")
UNUSABLE = "unusable"
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
    path = PurePosixPath(scan)
    if path.is_absolute() or ".." in path.parts or not has_suffix(scan):
        raise ValueError(f"scan must be the path of a NIfTI file inside the archives, such as T1/T1.nii.gz, got {scan}")
    folder, exclusions = find_folder(dataset_dir), Exclusions(COHORT)
    target = Path(extract_dir).expanduser().resolve() if extract_dir else folder / "extracted"
    keys = ["participant_id", "session_id"]
    scans = _find_bulks(folder, str(field), scan, target)
    if scans.empty:
        raise ValueError(f"{folder} holds no scan: looked for <eid>_{field}_<instance>_0.zip, or folders of that name")
    scans = exclusions.drop(scans, scans.duplicated(keys), "another file of the same visit")
    visits = _read_visits(Path(table).expanduser() if table else _find_table(folder), exclusions)
    scanned = pd.MultiIndex.from_frame(visits[keys]).isin(pd.MultiIndex.from_frame(scans[keys]))
    visits = visits[visits["age"].notna() | scanned]  # without age and scan a participant was not at this visit
    scans = join_table(scans, visits, keys, exclusions)
    scans = exclusions.drop(scans, scans["age"].isna(), "without an age at imaging")
    scans = label_ages(scans, classes, exclusions)
    scans = _drop_unusable(scans, folder, scan, exclusions)
    scans = split_participants(scans, splitting or Splitting(), sessions, exclusions)
    archives = scans[scans["bulk"].str.endswith(".zip")]
    _extract_scans(zip(archives["bulk"], archives["image"], strict=True), scan)
    names = [f"{first:g}-{last:g} years" for first, last in classes]
    return finish_manifest(scans.drop(columns="bulk"), names, exclusions)


def _find_bulks(dataset_dir: Path, field: str, scan: str, extract_dir: Path) -> pd.DataFrame:
    """List the archives and unpacked folders <eid>_<field>_<instance>_<number>, and where the scan of each lies or will lie.

    A folder comes before an archive of the same name; extracted scans are no archives.
    """
    found, discovery = [], Discovery(dataset_dir)
    for relative, folders, files in discovery.walk():
        for name in [*folders, *files]:
            match = BULK_NAME.match(name)
            if match and match[2] == field and (name in folders or name.endswith(".zip")):
                found.append((match[1], int(match[3]), name.endswith(".zip"), str(dataset_dir / relative / name)))
        folders[:] = [name for name in folders if not BULK_NAME.match(name) and dataset_dir / relative / name != extract_dir]
    discovery.log()
    rows = []
    for participant, instance, packed, bulk in sorted(found):
        image = extract_dir / Path(bulk).stem / scan if packed else Path(bulk) / scan
        rows.append((participant, f"ses-{instance}", str(image), bulk))
    return pd.DataFrame(rows, columns=["participant_id", "session_id", "image", "bulk"])


def _find_table(folder: Path) -> Path:
    """Return the table of a folder that has a column eid."""
    tables = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in TABLE_SUFFIXES and path.is_file()]
    tables = [path for path in tables if not path.name.startswith(".") and _has_participants(path)]
    if len(tables) != 1:
        found = ", ".join(path.name for path in tables) or "none"
        raise ValueError(
            f"{folder} must hold one table (.csv, .tsv) with a column eid, found {found}: name the one to use as table"
        )
    return tables[0]


def _has_participants(path: Path) -> bool:
    """Check whether a file is a table with a column eid."""
    try:
        return find_name(read_header(path), PARTICIPANT) is not None
    except ValueError:
        return False


def _read_visits(path: Path, exclusions: Exclusions) -> pd.DataFrame:
    """Return one row for each participant and imaging visit; the age may be missing."""
    ages = {f"ses-{n}": (f"21003-{n}.0", f"f.21003.{n}.0", f"p21003_i{n}", f"participant.p21003_i{n}") for n in INSTANCES}
    columns = {"participant_id": PARTICIPANT, "sex": SEX, **ages}
    rows = merge_repeats(read_columns(path, columns, ["participant_id", "ses-2"]), ["participant_id"], path, exclusions)
    for session in (name for name in ages if name in rows):
        rows[session] = read_ages(rows, session, path)
    rows["sex"] = read_sexes(rows["sex"], path, SEXES) if "sex" in rows else None
    sessions = [name for name in ages if name in rows]
    visits = rows.melt(["participant_id", "sex"], sessions, var_name="session_id", value_name="age")
    return visits.reset_index(drop=True)


def _drop_unusable(scans: pd.DataFrame, folder: Path, scan: str, exclusions: Exclusions) -> pd.DataFrame:
    """Exclude scans whose archive or folder does not hold them."""
    exclusions.check_any(scans)
    found = [_find_reason(bulk, folder, scan) for bulk in tqdm(scans["bulk"], desc="scans")]
    scans = scans.assign(reason=pd.Series(found, index=scans.index, dtype=object))
    for reason in sorted(scans["reason"].dropna().unique()):
        scans = exclusions.drop(scans, scans["reason"] == reason, reason)
    return scans.drop(columns="reason")


def _find_reason(bulk: str, dataset_dir: Path, scan: str) -> str | None:
    """Return why an archive or folder does not give a scan, in a few words; None when it does."""
    path = Path(bulk)
    if UNUSABLE in path.relative_to(dataset_dir).as_posix().lower():
        return f"marked {UNUSABLE}"
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as content:
                names = content.namelist()
        else:
            names = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
    except (zipfile.BadZipFile, OSError):
        return "damaged archive"
    if scan in names:
        return None
    same = [name for name in names if PurePosixPath(name).name == PurePosixPath(scan).name]
    return f"marked {UNUSABLE}" if any(UNUSABLE in name.lower() for name in same) else f"without {scan}"


def _extract_scans(archives: Iterable[tuple[str, str]], scan: str) -> None:
    """Extract one file of each archive, once, to the path beside it; a file is there completely or not at all."""
    waiting = [(archive, target) for archive, target in archives if not Path(target).is_file()]
    for archive, target in tqdm(waiting, desc="archives", disable=not waiting):
        try:
            with zipfile.ZipFile(archive) as content, content.open(scan) as source, write_atomically(target) as temporary:
                temporary.write_bytes(source.read())
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{archive} is damaged ({error}): get it again, or remove it to exclude the scan") from error
