"""Simulated cohorts of persons with sessions on disk, complete or absent under their final name."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from bundle.files import MANIFEST, PARTICIPANTS, write_nifti
from bundle.simulation.progress import continue_cohort
from bundle.simulation.regions import REGIONS
from bundle.simulation.storage import DESCRIPTION, NUM_WORKERS, compute_checksum


class Session(NamedTuple):
    """A scan of a participant with its truth.

    Attributes:
        table: Values of its row: session_id, label, age, diagnosis, ...
        image: Scan in scanner units, shape (H, W, D), int16.
        regions: Label map with the labels of `REGIONS`, shape (H, W, D), uint8.
        volumes: True volume of each region in mm3, shape (R,).
        disease_map: What disease or age adds, scanner units, shape (H, W, D), float32; None when unknown.
        in_manifest: Whether the scan takes part in training or evaluation.
    """

    table: dict[str, Any]
    image: np.ndarray
    regions: np.ndarray
    volumes: np.ndarray
    disease_map: np.ndarray | None
    in_manifest: bool = True


class Participant(NamedTuple):
    """A participant with one or more sessions.

    Attributes:
        table: Values of the participant's row in `participants.tsv`.
        sessions: Its scans.
        brain_mask: Shape (H, W, D), uint8.
        affine: Voxel to world matrix in mm (RAS), shape (4, 4).
    """

    table: dict[str, Any]
    sessions: list[Session]
    brain_mask: np.ndarray
    affine: np.ndarray


def write_participants(
    dataset_dir: Path,
    plan: pd.DataFrame,
    simulate: Callable[[dict], Participant],
    settings: dict,
    other_manifest: str | None = None,
) -> None:
    """Simulate and write all participants, their tables and the description; an interrupted run is continued.

    Participants on the same anatomy follow each other, so that one anatomy at a time is in memory.

    Args:
        dataset_dir: Folder of the cohort.
        plan: One row a participant, with participant_id, split and anatomy.
        simulate: Makes the participant of a row.
        settings: What determines the cohort.
        other_manifest: Name of a further table with all scans, also those that are not in the manifest.
    """
    with (
        continue_cohort(dataset_dir, settings) as progress,
        ThreadPoolExecutor(NUM_WORKERS) as executor,
        tqdm(total=len(plan), desc=f"simulating {dataset_dir.name}", unit="participant") as bar,
    ):

        partial = progress.folder

        def job(row: dict) -> None:
            progress.complete(row["participant_id"], lambda: write_participant(partial, row, simulate(row)))
            bar.update()

        for _, group in plan.groupby("anatomy"):
            first, *others = sorted(group.to_dict("records"), key=lambda row: row["participant_id"] in progress)
            job(first)  # the first one that is not written loads the anatomy for all
            list(executor.map(job, others))
        results = [progress[name] for name in plan["participant_id"]]
        progress.forget()
        complete = pd.concat([plan, pd.DataFrame([table for table, _ in results], index=plan.index)], axis=1)
        _write_table(complete, partial / PARTICIPANTS)
        scans = pd.DataFrame([scan for _, rows in results for scan in rows]).astype({"label": "Int64"})
        _write_table(scans[scans["in_manifest"]].drop(columns="in_manifest"), partial / MANIFEST)
        if other_manifest is not None:
            _write_table(scans.drop(columns="in_manifest"), partial / other_manifest)
        description = {"Name": "Simulated cohort", "BIDSVersion": "1.9.0", "DatasetType": "derivative",
                       "Simulation": settings, "Regions": list(REGIONS), "Checksum": compute_checksum(partial)}  # fmt: skip
        (partial / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")


def write_participant(dataset_dir: Path, row: dict, participant: Participant) -> tuple[dict, list[dict]]:
    """Write the images and the sessions table of a participant.

    Args:
        dataset_dir: Folder of the cohort.
        row: The participant's row of the plan.
        participant: What to write.

    Returns:
        Further values of the participant's row, and one row of the manifest for each scan.
    """
    name, sessions = row["participant_id"], participant.sessions
    scans = []
    for session in sessions:
        others = [other.table["session_id"] for other in sessions if other is not session]
        images = _write_images(dataset_dir, name, session, participant)
        scans.append({
            "participant_id": name, "session_id": session.table["session_id"], "label": session.table["label"],
            "split": row["split"], **images, "pair": others[0] if others else None, "anatomy": row["anatomy"],
            **{key: value for key, value in session.table.items() if key not in ("session_id", "label")},
            "in_manifest": session.in_manifest,
        })  # fmt: skip
    columns = [f"volume_{region}" for region in REGIONS]
    table = [{**session.table, **dict(zip(columns, session.volumes.round(1), strict=True))} for session in sessions]
    _write_table(pd.DataFrame(table), dataset_dir / name / f"{name}_sessions.tsv")
    return participant.table, scans


def name_regions(prefix: str, values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Name one value a region for a table, rounded to four digits."""
    return {f"{prefix}_{region}": round(float(value), 4) for region, value in zip(REGIONS, values, strict=True)}


def _write_images(dataset_dir: Path, name: str, session: Session, participant: Participant) -> dict[str, str | None]:
    """Write the images of a session and return their paths relative to `dataset_dir` by column."""
    prefix = f"{name}/{session.table['session_id']}/anat/{name}_{session.table['session_id']}"
    images = {
        "image": ("T1w", session.image),
        "brain_mask": ("desc-brain_mask", participant.brain_mask),
        "regions": ("desc-regions_dseg", session.regions),
        "disease_map": ("desc-change_T1w", session.disease_map),
    }
    paths: dict[str, str | None] = {}
    for column, (suffix, array) in images.items():
        paths[column] = None if array is None else f"{prefix}_{suffix}.nii.gz"
        if array is not None:
            write_nifti(dataset_dir / str(paths[column]), array, participant.affine)
    return paths


def _write_table(table: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
