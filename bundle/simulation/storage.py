"""A simulated cohort on disk: images, tables and a description, complete or absent under its final name."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from bundle.data.bids import DESCRIPTION
from bundle.files import MANIFEST, PARTICIPANTS, check_writable, hold_folder, write_nifti, write_table
from bundle.records import compute_fingerprint, read_record, write_record
from bundle.workers import KILLED, Workers

logger = logging.getLogger(__name__)

RECORDS = ".records"  # subfolder of an incomplete cohort: one record for each subject that is written
STUDY_SETTINGS = ("repeat_share", "num_classes")  # settings that configs give to the study and not to the cohort


class SubjectFiles(NamedTuple):
    """What is written of a simulated subject.

    Attributes:
        columns: Further values of its row in `participants.tsv`, in the types of JSON.
        scans: Its rows in `manifest.tsv`; none where `participants.tsv` has one row a scan.
        images: Arrays, shape (H, W, D), by path relative to the cohort's folder.
        tables: Tables by path.
        affine: Voxel to world matrix of all images in mm (RAS), shape (4, 4).
    """

    columns: dict[str, Any]
    scans: list[dict[str, Any]]
    images: dict[str, np.ndarray]
    tables: dict[str, pd.DataFrame]
    affine: np.ndarray


def is_written(dataset_dir: Path, settings: dict, ignored: Iterable[str] = ()) -> bool:
    """Check whether a folder already holds the cohort of these settings; False when the folder is absent or empty.

    A `ValueError` when it holds something else. The settings `ignored` may differ.
    """
    description = dataset_dir / DESCRIPTION
    if not description.is_file():
        if dataset_dir.is_dir() and any(dataset_dir.iterdir()):
            raise ValueError(f"{dataset_dir} holds files but no {DESCRIPTION}: give an empty or a new dataset_dir")
        return False
    found = json.loads(description.read_text()).get("Simulation")
    known = found if isinstance(found, dict) else {}
    different = [key for key in settings if known.get(key) != settings[key] and key not in ignored]
    if different:
        names = [name for key in different for name in _name_keys(key, known.get(key), settings[key])]
        raise ValueError(
            f"{dataset_dir} holds a cohort with other settings ({', '.join(names)}): "
            "give the keys that it was made with, or another dataset_dir"
        )
    return True


def _name_keys(key: str, found: Any, wanted: Any) -> list[str]:
    """Name the config keys behind a setting that differs; those of several numbers one by one."""
    if key == "numbers" and isinstance(found, dict):
        return [f"simulated_cohort#num_{group} was {found.get(group)}" for group in wanted if found.get(group) != wanted[group]]
    if key in ("simulation", "version"):
        return [key]
    return [f"simulated_cohort#{'study#' if key in STUDY_SETTINGS else ''}{key}"]


def write_cohort(
    dataset_dir: Path,
    plan: pd.DataFrame,
    simulate: Callable[[dict], SubjectFiles],
    settings: dict,
    details: Mapping[str, Any] | None = None,
    all_scans: str | None = None,
    workers: Workers | None = None,
) -> None:
    """Simulate and write all subjects, their tables and the description; an interrupted run is continued.

    The cohort is written into `<dataset_dir>.partial`, which becomes `dataset_dir` when it is complete. Subjects on the same
    anatomy follow each other, so that one anatomy at a time is in memory.

    Args:
        dataset_dir: Folder of the cohort; it must not exist, except as an empty folder.
        plan: One row a subject, with participant_id and anatomy.
        simulate: Makes what is written of the subject of a row.
        settings: What determines the cohort.
        details: Further entries of the description.
        all_scans: Name of a further table with all scans, also those without a label.
        workers: Where subjects are simulated; None for as many threads of this process as there are cores.

    Raises:
        FileExistsError: When `dataset_dir` exists and is not empty.
        ValueError: When another process is writing the cohort.
    """
    partial, lock = (dataset_dir.with_name(f"{dataset_dir.name}.partial{suffix}") for suffix in ("", ".lock"))
    check_writable(lock.parent, "dataset_dir")
    with hold_folder(partial, lock, "dataset_dir"):
        if dataset_dir.exists() and any(dataset_dir.iterdir()):
            raise FileExistsError(f"{dataset_dir} is not empty: give a new or an empty folder")
        try:
            records = _write_subjects(partial, plan, simulate, compute_fingerprint(settings), workers or Workers())
            shutil.rmtree(partial / RECORDS)
            _write_tables(partial, plan, records, all_scans)
            description = {"Name": "Simulated cohort", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
                           "Simulation": settings, **(details or {}), "Checksum": compute_checksum(partial)}  # fmt: skip
            (partial / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")
            os.replace(partial, dataset_dir)
        finally:
            if not any((partial / RECORDS).glob("*.json")):
                shutil.rmtree(partial, ignore_errors=True)


def _write_subjects(
    folder: Path, plan: pd.DataFrame, simulate: Callable[[dict], SubjectFiles], fingerprint: str, workers: Workers
) -> list[dict[str, Any]]:
    """Write the subjects that have no record, and return the records of all in the order of the plan."""
    found = {name: read_record(folder / RECORDS / f"{name}.json", fingerprint) for name in plan["participant_id"]}
    records = {name: record for name, record in found.items() if record is not None}
    for other in folder.iterdir() if folder.is_dir() else ():
        if other.name not in (RECORDS, *records):  # of other settings, or half a subject
            shutil.rmtree(other) if other.is_dir() else other.unlink()
    if records:
        logger.info("Going on in %s, where %d subjects are written", folder, len(records))
    left = plan[~plan["participant_id"].isin(records)].sort_values("anatomy", kind="stable").to_dict("records")
    jobs = [(row, simulate, folder, fingerprint) for row in left]
    outcomes = workers.run(_write_subject, jobs) if workers.scheduler else _write_in_threads(jobs, max(1, workers.count()))
    for index, record in tqdm(outcomes, f"simulating {folder.stem}", len(plan), initial=len(records), unit="subject"):
        if record is None:
            raise OSError(KILLED.format(left[index]["participant_id"]))
        records[left[index]["participant_id"]] = record
    return [records[name] for name in plan["participant_id"]]


def _write_in_threads(jobs: Sequence[tuple], num_threads: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and record of each subject, written in threads, which share the anatomy that is in memory."""
    with ThreadPoolExecutor(num_threads) as executor:
        for _, group in groupby(range(len(jobs)), lambda index: jobs[index][0]["anatomy"]):
            first, *others = group
            yield first, _write_subject(*jobs[first])  # which loads the anatomy for all
            yield from zip(others, executor.map(lambda index: _write_subject(*jobs[index]), others), strict=True)


def _write_subject(row: dict, simulate: Callable[[dict], SubjectFiles], folder: Path, fingerprint: str) -> dict[str, Any]:
    """Write the files of a subject, and return its record."""
    files = simulate(row)
    for image, array in files.images.items():
        write_nifti(folder / image, array, files.affine)
    for path, table in files.tables.items():
        write_table(folder / path, table)
    record = folder / RECORDS / f"{row['participant_id']}.json"
    return write_record(record, fingerprint, {"columns": files.columns, "scans": files.scans})


def _write_tables(folder: Path, plan: pd.DataFrame, records: list[dict[str, Any]], all_scans: str | None) -> None:
    """Write the cohort's tables."""
    columns = pd.DataFrame([record["columns"] for record in records], index=plan.index)
    write_table(folder / PARTICIPANTS, pd.concat([plan, columns], axis=1))
    scans = pd.DataFrame([scan for record in records for scan in record["scans"]])
    if len(scans):
        scans = scans.astype({"label": "Int64"})
        write_table(folder / MANIFEST, scans.dropna(subset="label"))
        if all_scans is not None:
            write_table(folder / all_scans, scans)


def compute_checksum(dataset_dir: Path) -> str:
    """Compute one SHA-256 over the names and bytes of all files."""
    digest = hashlib.sha256()
    for path in (path for path in sorted(dataset_dir.rglob("*")) if path.is_file()):
        digest.update(path.relative_to(dataset_dir).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
