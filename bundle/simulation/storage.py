"""Simulated cohorts on disk: images, participants table and description, complete or absent under their final name."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from bundle.files import PARTICIPANTS, write_nifti
from bundle.simulation.progress import continue_cohort
from bundle.simulation.subjects import Subject

NUM_WORKERS = 2
DESCRIPTION = "dataset_description.json"


def is_written(dataset_dir: Path, settings: dict, ignored: Sequence[str] = ()) -> bool:
    """Tell whether a folder already holds the cohort.

    Args:
        dataset_dir: Folder of the cohort.
        settings: What determines the cohort.
        ignored: Settings that may be others than asked for.

    Returns:
        True when the cohort was written with the same settings, False when the folder is absent or empty.

    Raises:
        ValueError: When the folder holds something else.
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


def _name_keys(key: str, found: Any, asked: Any) -> list[str]:
    """Name the config keys behind a setting that differs; those of several numbers one by one."""
    if key == "numbers" and isinstance(found, dict):
        return [f"simulated_cohort#num_{group} was {found.get(group)}" for group in asked if found.get(group) != asked[group]]
    return [key if key in ("simulation", "version") else f"simulated_cohort#{key}"]


def write_cohort(
    dataset_dir: Path,
    table: pd.DataFrame,
    simulate: Callable[[dict], Subject],
    parcel_names: Sequence[str],
    settings: dict,
) -> None:
    """Simulate and write all subjects, their table and the description; an interrupted run is continued.

    Args:
        dataset_dir: Folder of the cohort.
        table: The plan, one row per subject.
        simulate: Makes the subject of a row.
        parcel_names: Names of the labels 1, 2, ... of the parcel maps.
        settings: What determines the cohort.
    """
    with continue_cohort(dataset_dir, settings) as progress, ThreadPoolExecutor(NUM_WORKERS) as executor:
        partial = progress.folder

        def job(row: dict) -> dict[str, str | None]:
            return progress.complete(row["participant_id"], lambda: write_subject(partial, row, simulate(row), parcel_names))

        rows = table.to_dict("records")
        jobs = executor.map(job, rows)
        paths = list(tqdm(jobs, total=len(rows), desc=f"simulating {dataset_dir.name}", unit="subject"))
        complete = pd.concat([table, pd.DataFrame(paths)], axis=1)
        progress.forget()
        complete.to_csv(partial / PARTICIPANTS, sep="\t", index=False, na_rep="n/a")
        description = {"Name": "Simulated cohort", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
                       "Simulation": settings, "Checksum": compute_checksum(partial)}  # fmt: skip
        (partial / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")


def write_subject(dataset_dir: Path, row: dict, subject: Subject, parcel_names: Sequence[str]) -> dict[str, str | None]:
    """Write a subject's images and name them.

    Args:
        dataset_dir: Folder of the cohort.
        row: The subject's row of the plan.
        subject: The simulated subject.
        parcel_names: Names of the labels 1, 2, ... of the parcel map.

    Returns:
        Paths relative to `dataset_dir` by column; the mask of a control is None.
    """
    name, diseased = row["participant_id"], row["label"] == 1
    lesion = select_parcels(subject.parcel_map, row["parcels"], parcel_names)
    images = {
        "control_image": ("desc-control_T2w", subject.control),
        "disease_image": ("desc-disease_T2w", subject.control + subject.effect * lesion),
        "parcel_map": ("desc-parcels_dseg", subject.parcel_map),
        "effect": ("desc-effect_T2w", subject.effect),
        "brain_mask": ("desc-brain_mask", subject.brain_mask),
    }
    if diseased:
        images["mask"] = ("desc-lesion_mask", lesion.astype(np.uint8))
    paths: dict[str, str | None] = {}
    for column, (suffix, array) in images.items():
        paths[column] = f"{name}/anat/{name}_{suffix}.nii.gz"
        write_nifti(dataset_dir / str(paths[column]), array, subject.affine)
    shown = paths["disease_image" if diseased else "control_image"]
    return {"image": shown, "mask": paths.get("mask"), **{key: paths[key] for key in images if key != "mask"}}


def compute_checksum(dataset_dir: Path) -> str:
    """Compute one SHA-256 over the names and bytes of all files."""
    digest = hashlib.sha256()
    for path in _list_files(dataset_dir):
        digest.update(path.relative_to(dataset_dir).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _list_files(folder: Path) -> Iterator[Path]:
    """List the files below a folder in a fixed order."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def select_parcels(parcel_map: np.ndarray, parcels: str, parcel_names: Sequence[str]) -> np.ndarray:
    """Mark the voxels of a set of parcels.

    Args:
        parcel_map: Label map of the parcels, any shape.
        parcels: Names joined by `+`, for example `MT+OP1`.
        parcel_names: Names of the labels 1, 2, ...

    Returns:
        Mask of the same shape, bool.

    Raises:
        ValueError: When a name is unknown.
    """
    names = parcels.split("+")
    if not set(names) <= set(parcel_names):
        raise ValueError(f"parcels must be of {', '.join(parcel_names)} joined by '+', got {parcels}")
    return np.isin(parcel_map, [list(parcel_names).index(name) + 1 for name in names])
