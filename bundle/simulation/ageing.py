"""The simulated ageing cohort: age changes the brain, and so does what age does not explain."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bundle.simulation.brains import prepare_brain
from bundle.simulation.cohort import GROUPS, check_numbers, choose_anatomies
from bundle.simulation.regions import STRUCTURES
from bundle.simulation.sessions import Participant, Session, name_regions, write_participants
from bundle.simulation.states import check_field_of_view, draw_person, scan
from bundle.simulation.storage import is_written

logger = logging.getLogger(__name__)

VERSION = 1  # raised when the same settings give other images
AGE_RANGE = (45.0, 80.0)  # years
CLASSES = ((45.0, 60.0), (70.0, 80.0))  # years; ages between have no label
ALL_AGES = "manifest_all.tsv"  # table of all scans, also those without a label
EFFECT = {  # volume ratio at 80 to that at 45 years
    "lateral-ventricle": 2.0, "hippocampus": 0.74, "amygdala": 0.82, "frontal": 0.90, "parietal": 0.92, "temporal": 0.90,
    "occipital": 0.96,
}  # fmt: skip
DEVIATION = {  # of the log volume at any age, half of it common to both sides
    "lateral-ventricle": 0.06, "hippocampus": 0.03, "amygdala": 0.03, "frontal": 0.015, "parietal": 0.015, "temporal": 0.015,
    "occipital": 0.015,
}  # fmt: skip
LIMIT = 2.0  # deviations


def simulate_ageing_cohort(
    dataset_dir: str | Path,
    spatial_size: Sequence[int] = (64, 80, 64),
    voxel_size: float = 2.5,
    num_train: int = 800,
    num_validation: int = 40,
    num_test: int = 60,
    num_unseen: int = 40,
    seed: int = 0,
    anatomies: Sequence[str] | None = None,
) -> Path:
    """Write a cohort of T1-weighted brains of ages from 45 to 80 years, or find it already written.

    Ventricles grow and hippocampus, amygdala and cortex shrink with age; each person departs from the mean of its
    age. The manifest holds the classes 45 to 60 (label 0) and 70 to 80 years (label 1); `manifest_all.tsv` holds all
    ages. Scans for validation and test have the exact map from the younger to the older of the own age and an age of the
    other class. The same arguments give the same bytes.

    Source: after the UK Biobank experiment of Bass et al., NeurIPS 2020, Sec. 4.3 (https://arxiv.org/abs/2006.08287).

    Args:
        dataset_dir: Folder of the cohort.
        spatial_size: Size of the images, H, W, D.
        voxel_size: Edge of a voxel in mm.
        num_train: Number of training participants of all ages; about seven of ten have a label.
        num_validation: Number of validation participants.
        num_test: Number of test participants on anatomies of the training set.
        num_unseen: Number of test participants on the unseen anatomy (Colin27).
        seed: Determines all participants; one does not depend on how many others there are.
        anatomies: Names of the training anatomies; None takes all that are installed, or
            a cohort already written on any of them.

    Returns:
        The folder of the cohort.

    Raises:
        ValueError: When the folder holds a cohort with other settings, an anatomy is not installed, or a
            number or size is impossible, or the field of view does not hold the brain.
    """
    dataset_dir = Path(dataset_dir)
    seen, unseen = choose_anatomies(anatomies)
    numbers = check_numbers(num_train, num_validation, num_test, num_unseen)
    settings = {
        "simulation": "ageing", "version": VERSION, "spatial_size": list(spatial_size), "voxel_size": voxel_size,
        "numbers": numbers, "seed": seed, "anatomies": seen, "unseen_anatomies": unseen,
    }  # fmt: skip
    if is_written(dataset_dir, settings, ignored=["anatomies"] if anatomies is None else []):
        return dataset_dir
    check_field_of_view(spatial_size, voxel_size)
    logger.info("Simulating ageing in %s on %s; unseen %s", dataset_dir, ", ".join(seen), ", ".join(unseen))
    plan = plan_ages(numbers, seed, seen, unseen)

    def simulate(row: dict) -> Participant:
        return simulate_participant(row, spatial_size, voxel_size)

    write_participants(dataset_dir, plan, simulate, settings, ALL_AGES)
    return dataset_dir


def plan_ages(numbers: dict[str, int], seed: int, seen: Sequence[str], unseen: Sequence[str]) -> pd.DataFrame:
    """Plan who is in the cohort: split, anatomy, age, label, target age and seed of every participant.

    Args:
        numbers: Number of participants in each of `GROUPS`.
        seed: Seed of the cohort.
        seen: Anatomies of training, validation and test.
        unseen: Anatomies of the group `unseen`.

    Returns:
        One row a participant; label and target age are missing between the classes, and the target age in the training split.
    """
    rows = []
    for group in GROUPS:
        names = unseen if group == "unseen" else seen
        for index in range(numbers[group]):
            random = np.random.default_rng([seed, GROUPS.index(group), index])
            anatomy, subject_seed = names[int(random.integers(len(names)))], int(random.integers(2**31))
            age = round(random.uniform(*AGE_RANGE), 1)
            label = label_age(age)
            target = None if label is None or group == "train" else round(random.uniform(*CLASSES[1 - label]), 1)
            rows.append({
                "sex": None, "split": "test" if group == "unseen" else group, "anatomy": anatomy, "kind": "single",
                "age": age, "label": label, "target_age": target, "seed": subject_seed,
            })  # fmt: skip
    plan = pd.DataFrame(rows).astype({"label": "Int64", "target_age": float})
    plan.insert(0, "participant_id", [f"sub-{number:04d}" for number in range(1, len(plan) + 1)])
    return plan


def label_age(age: float) -> int | None:
    """Return the class of an age in years, None between the classes."""
    inside = [label for label, (low, high) in enumerate(CLASSES) if low <= age <= high]
    return inside[0] if inside else None


def compute_age_effect(age: float) -> np.ndarray:
    """Compute the log volume ratios of an age in years to the middle of the range, shape (R,)."""
    low, high = AGE_RANGE
    effect = np.array([np.log(EFFECT[structure]) for structure in STRUCTURES for _ in range(2)])
    return effect * (age - (low + high) / 2) / (high - low)


def draw_unexplained(random: np.random.Generator) -> np.ndarray:
    """Draw what age does not explain in a person's log volumes, shape (R,)."""
    deviations = np.array([DEVIATION[structure] for structure in STRUCTURES])
    common, left, right = np.clip(random.standard_normal((3, len(STRUCTURES))), -LIMIT, LIMIT)
    return (np.stack([common + left, common + right], axis=1) / np.sqrt(2) * deviations[:, None]).ravel()


def simulate_participant(row: dict, spatial_size: Sequence[int], voxel_size: float) -> Participant:
    """Simulate the participant of a row of the plan, and where it has a target age, the map that leads there.

    Args:
        row: With anatomy, age, label, target_age and seed.
        spatial_size: Size of the images, H, W, D.
        voxel_size: Edge of a voxel in mm.

    Returns:
        The participant with its session.

    Raises:
        ValueError: When the field of view does not hold the brain in any draw.
    """
    ages = [row["age"]] if pd.isna(row["target_age"]) else [row["age"], row["target_age"]]
    labelled = not pd.isna(row["label"])

    def draw(random: np.random.Generator) -> np.ndarray:
        unexplained = draw_unexplained(random)
        return np.stack([compute_age_effect(age) + unexplained for age in ages])

    brain = prepare_brain(row["anatomy"], voxel_size)
    person, course, _, generator = draw_person(brain, draw, range(len(ages)), spatial_size, voxel_size, row["seed"])
    states = [state for _, state in sorted(zip(ages, person.states, strict=True), key=lambda pair: pair[0])]
    change = states[-1].image - states[0].image if len(ages) > 1 else None
    table = {"session_id": "ses-M000", "label": row["label"] if labelled else None, "age": row["age"]}
    table["target_age"] = ages[-1] if len(ages) > 1 else None
    own = person.states[0]
    image = scan(own, person.brain_mask, person.noise_level, voxel_size, generator)
    session = Session(table, image, own.regions, own.volumes, change, labelled)
    truth = name_regions("severity", course[0]) | name_regions("unexplained", course[0] - compute_age_effect(row["age"]))
    return Participant(truth, [session], person.brain_mask, person.affine)
