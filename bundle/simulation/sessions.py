"""The sessions of a simulated person, and the files in which they are written."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bundle.simulation.persons import Person, State
from bundle.simulation.regions import REGIONS
from bundle.simulation.storage import SubjectFiles


class Session(NamedTuple):
    """A scan of a person with its truth.

    Attributes:
        table: Values of its row: session_id, label (None for no class), age, diagnosis, ...
        image: Scan in scanner units, shape (H, W, D), int16.
        state: What was scanned.
    """

    table: dict[str, Any]
    image: np.ndarray
    state: State


def list_files(
    row: dict, person: Person, sessions: Sequence[Session], change: np.ndarray | None, truth: dict[str, Any]
) -> SubjectFiles:
    """Name the files of a person with one or two sessions.

    Args:
        row: The person's row of the plan, with participant_id, split and anatomy.
        person: Who was scanned.
        sessions: The scans.
        change: What disease or age adds, scanner units, shape (H, W, D), float32; None when unknown.
        truth: Further values of the row in `participants.tsv`.
    """
    name, images, scans = row["participant_id"], {}, []
    for session in sessions:
        own = session.table["session_id"]
        arrays = {
            "image": ("T1w", session.image),
            "brain_mask": ("desc-brain_mask", person.brain_mask),
            "regions": ("desc-regions_dseg", session.state.regions),
            "disease_map": ("desc-change_T1w", change),
        }
        paths: dict[str, str | None] = {}
        for column, (suffix, array) in arrays.items():
            paths[column] = None if array is None else f"{name}/{own}/anat/{name}_{own}_{suffix}.nii.gz"
            if array is not None:
                images[str(paths[column])] = array
        scans.append({
            "participant_id": name, "session_id": own, "label": session.table["label"], "split": row["split"], **paths,
            "pair": next((other.table["session_id"] for other in sessions if other is not session), None),
            "anatomy": row["anatomy"],
            **{key: value for key, value in session.table.items() if key not in ("session_id", "label")},
        })  # fmt: skip
    volumes = [dict(zip([f"volume_{region}" for region in REGIONS], session.state.volumes.round(1), strict=True))
               for session in sessions]  # fmt: skip
    table = pd.DataFrame([{**session.table, **measured} for session, measured in zip(sessions, volumes, strict=True)])
    return SubjectFiles(truth, scans, images, {f"{name}/{name}_sessions.tsv": table}, person.affine)


def name_regions(prefix: str, values: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Name one value a region for a table, rounded to four digits."""
    return {f"{prefix}_{region}": round(float(value), 4) for region, value in zip(REGIONS, values, strict=True)}
