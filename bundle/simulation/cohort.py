"""The simulated lesion cohort on disk."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bundle.simulation.anatomies import PARCELS, list_anatomies, load_anatomy
from bundle.simulation.storage import is_written, write_cohort
from bundle.simulation.subjects import Subject, simulate_subject

logger = logging.getLogger(__name__)

UNSEEN_ANATOMY = "colin27"
CERTAIN_PARCEL = "MT"  # lesioned in every disease state; each other parcel with probability 0.5
SLICE_SLAB = (-5, 35)  # mm, all that an axial slice can touch
VERSION = 1  # raised when the same settings give other images
GROUPS = ("train", "validation", "test", "unseen")


def simulate_lesion_cohort(
    dataset_dir: str | Path,
    spatial_size: Sequence[int] = (96, 112),
    voxel_size: float = 2.0,
    num_train: int = 1000,
    num_validation: int = 100,
    num_test: int = 100,
    num_unseen: int = 60,
    seed: int = 0,
    anatomies: Sequence[str] | None = None,
) -> Path:
    """Write a cohort of T2-weighted brains with and without cortical lesions, or find it already written.

    Each subject has its own anatomy, appearance and set of parcels, and both of its states on disk; label 0 shows the
    control state, label 1 the disease state. Test subjects on the unseen anatomy (Colin27) follow those on training
    anatomies. The same arguments give the same bytes.

    Source: after the lesion experiment of Bass et al., NeurIPS 2020, Sec. 4.1 (https://arxiv.org/abs/2006.08287).

    Args:
        dataset_dir: Folder of the cohort.
        spatial_size: Size of the images, H, W[, D].
        voxel_size: Edge of a voxel in mm.
        num_train: Number of training subjects, half of them with disease.
        num_validation: Number of validation subjects.
        num_test: Number of test subjects on anatomies of the training set.
        num_unseen: Number of test subjects on the unseen anatomy.
        seed: Determines all subjects; a subject does not depend on how many others there are.
        anatomies: Names of the training anatomies; None takes all that are installed, or
            a cohort already written on any of them.

    Returns:
        The folder of the cohort.

    Raises:
        ValueError: When the folder holds a cohort with other settings, an anatomy is not installed, or a
            number or size is impossible.
    """
    dataset_dir = Path(dataset_dir)
    seen, unseen = choose_anatomies(anatomies)
    numbers = check_numbers(num_train, num_validation, num_test, num_unseen)
    if len(spatial_size) not in (2, 3):
        raise ValueError(f"spatial_size must have 2 or 3 entries, got {list(spatial_size)}")
    settings = {
        "simulation": "lesions", "version": VERSION, "spatial_size": list(spatial_size), "voxel_size": voxel_size,
        "numbers": numbers, "seed": seed, "anatomies": seen, "unseen_anatomies": unseen,
    }  # fmt: skip
    if is_written(dataset_dir, settings, ignored=["anatomies"] if anatomies is None else []):
        return dataset_dir
    logger.info("Simulating lesions in %s on %s; unseen %s", dataset_dir, ", ".join(seen), ", ".join(unseen))
    table = plan_subjects(numbers, seed, seen, unseen)
    slab = SLICE_SLAB if len(spatial_size) == 2 else None
    brains = {name: load_anatomy(name, slab) for name in sorted({*table["anatomy"]})}

    def simulate(row: dict) -> Subject:
        return simulate_subject(brains[row["anatomy"]], spatial_size, voxel_size, row["seed"])

    write_cohort(dataset_dir, table, simulate, list(PARCELS), settings)
    return dataset_dir


def check_numbers(num_train: int, num_validation: int, num_test: int, num_unseen: int = 0) -> dict[str, int]:
    """Name the group sizes by `GROUPS`.

    Raises:
        ValueError: When a number is negative or all are zero.
    """
    numbers = dict(zip(GROUPS, (num_train, num_validation, num_test, num_unseen), strict=True))
    if min(numbers.values()) < 0 or not any(numbers.values()):
        raise ValueError(f"the numbers of subjects must be 0 or more and not all 0, got {numbers}")
    return numbers


def choose_anatomies(anatomies: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """Choose the anatomies to train on and the unseen ones.

    Args:
        anatomies: Names of the training anatomies; None for all that are installed.

    Returns:
        Names of the training anatomies and of the unseen ones.

    Raises:
        ValueError: When an anatomy is not installed, or is kept for the unseen test.
    """
    installed = list_anatomies()
    possible = [name for name in installed if not name.startswith(UNSEEN_ANATOMY)]
    seen = possible if anatomies is None else list(anatomies)
    wrong = [name for name in seen if name not in possible]
    if wrong or not seen:
        raise ValueError(f"anatomies must be of {', '.join(possible)}, got {', '.join(wrong) or 'none'}")
    return seen, [name for name in installed if name.startswith(UNSEEN_ANATOMY)]


def plan_subjects(numbers: dict[str, int], seed: int, seen: Sequence[str], unseen: Sequence[str]) -> pd.DataFrame:
    """Plan who is in the cohort: label, split, anatomy, parcels and seed of every subject.

    Labels alternate at random within successive pairs, so that every split is balanced; anatomy, parcels and seed are
    drawn without regard to the label.

    Args:
        numbers: Number of subjects in each of `GROUPS`.
        seed: Seed of the cohort.
        seen: Anatomies of training, validation and test.
        unseen: Anatomies of the group `unseen`.

    Returns:
        Table with one row per subject.
    """
    rows = []
    for group in GROUPS:
        names = unseen if group == "unseen" else seen
        for index in range(numbers[group]):
            flip = np.random.default_rng([seed, GROUPS.index(group), index // 2, 0]).integers(2)
            random = np.random.default_rng([seed, GROUPS.index(group), index, 1])
            parcels = [name for name in PARCELS if name == CERTAIN_PARCEL or random.random() < 0.5]
            rows.append({
                "label": int(index % 2 == flip), "split": "test" if group == "unseen" else group,
                "anatomy": names[int(random.integers(len(names)))], "seed": int(random.integers(2**31)),
                "parcels": "+".join(parcels),
            })  # fmt: skip
    table = pd.DataFrame(rows)
    table.insert(0, "participant_id", [f"sub-{number:04d}" for number in range(1, len(table) + 1)])
    return table
