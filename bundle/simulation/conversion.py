"""The simulated conversion cohort: mild cognitive impairment (MCI) that becomes Alzheimer's disease (AD)."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bundle.simulation.brains import prepare_brain
from bundle.simulation.cohort import GROUPS, check_numbers, choose_anatomies
from bundle.simulation.regions import LOBES, REGIONS, STRUCTURES
from bundle.simulation.sessions import Participant, Session, name_regions, write_participants
from bundle.simulation.states import Draw, check_field_of_view, draw_person, scan
from bundle.simulation.storage import is_written

logger = logging.getLogger(__name__)

VERSION = 1  # raised when the same settings give other images
DIAGNOSES = {2: ("MCI", "AD"), 3: ("CN", "MCI", "AD")}
STEP_RANGE = {  # volume ratio of a structure from one class to the next
    "lateral-ventricle": (1.32, 1.58), "hippocampus": (0.83, 0.92), "amygdala": (0.84, 0.93),
} | dict.fromkeys(LOBES, (0.90, 0.96))  # fmt: skip
ASYMMETRY = 0.15  # largest part of a structure's log ratio by which a side departs from it
LOBE_CHANCE = 0.5  # that a lobe of one side shrinks
UNTOUCHED_LOBE = 0.99  # its volume ratio otherwise
BASELINE_DEVIATION = {"lateral-ventricle": 0.10, "hippocampus": 0.05, "amygdala": 0.05} | dict.fromkeys(LOBES, 0.02)  # log
BASELINE_LIMIT = 1.5  # deviations
AGE_RANGE = (60.0, 82.0)  # years at the first session
MONTHS = (12, 24, 36, 48)  # from the first session to the later one of a converter
REPEAT_MONTHS = 1


def simulate_conversion_cohort(
    dataset_dir: str | Path,
    spatial_size: Sequence[int] = (64, 80, 64),
    voxel_size: float = 2.5,
    num_train: int = 800,
    num_validation: int = 40,
    num_test: int = 60,
    num_unseen: int = 40,
    repeat_share: float = 0.25,
    num_classes: int = 2,
    seed: int = 0,
    anatomies: Sequence[str] | None = None,
) -> Path:
    """Write a cohort of T1-weighted brains before and after conversion to Alzheimer's disease, or find it already written.

    Ventricles grow, hippocampus, amygdala and the cortex of random lobes shrink, in random sides and severities. A participant
    of the training split has one session. Those of validation and test are converters with a session before and one after,
    or have two scans of the same state. The same arguments give the same bytes.

    Source: after the ADNI experiment of Bass et al., NeurIPS 2020, Sec. 4.2 (https://arxiv.org/abs/2006.08287).

    Args:
        dataset_dir: Folder of the cohort.
        spatial_size: Size of the images, H, W, D.
        voxel_size: Edge of a voxel in mm.
        num_train: Number of training participants, as many of each class.
        num_validation: Number of validation participants.
        num_test: Number of test participants on anatomies of the training set.
        num_unseen: Number of test participants on the unseen anatomy (Colin27).
        repeat_share: Share of the validation and test participants that have two scans of the same state.
        num_classes: 2 for MCI and AD, 3 for controls (CN), MCI and AD.
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
    if num_classes not in DIAGNOSES:
        raise ValueError(f"num_classes must be 2 (MCI, AD) or 3 (CN, MCI, AD), got {num_classes}")
    if not 0 <= repeat_share <= 1:
        raise ValueError(f"repeat_share must be from 0 to 1, got {repeat_share}")
    settings = {
        "simulation": "conversion", "version": VERSION, "spatial_size": list(spatial_size), "voxel_size": voxel_size,
        "numbers": numbers, "repeat_share": repeat_share, "num_classes": num_classes, "seed": seed, "anatomies": seen,
        "unseen_anatomies": unseen,
    }  # fmt: skip
    if is_written(dataset_dir, settings, ignored=["anatomies"] if anatomies is None else []):
        return dataset_dir
    check_field_of_view(spatial_size, voxel_size)
    logger.info("Simulating conversion in %s on %s; unseen %s", dataset_dir, ", ".join(seen), ", ".join(unseen))
    plan = plan_participants(numbers, repeat_share, num_classes, seed, seen, unseen)

    def simulate(row: dict) -> Participant:
        return simulate_participant(row, num_classes, spatial_size, voxel_size)

    write_participants(dataset_dir, plan, simulate, settings)
    return dataset_dir


def plan_participants(
    numbers: dict[str, int], repeat_share: float, num_classes: int, seed: int, seen: Sequence[str], unseen: Sequence[str]
) -> pd.DataFrame:
    """Plan who is in the cohort: split, anatomy, kind, classes of the sessions and seed of every participant.

    Args:
        numbers: Number of participants in each of `GROUPS`.
        repeat_share: Share of repeated scans among those with two sessions.
        num_classes: Number of classes.
        seed: Seed of the cohort.
        seen: Anatomies of training, validation and test.
        unseen: Anatomies of the group `unseen`.

    Returns:
        One row a participant; `classes` holds the classes of its sessions, joined by `+`.
    """
    rows = []
    for group in GROUPS:
        names = unseen if group == "unseen" else seen
        for index in range(numbers[group]):
            random = np.random.default_rng([seed, GROUPS.index(group), index])
            repeats = int((index + 1) * repeat_share) - int(index * repeat_share)
            kind = "single" if group == "train" else "repeat" if repeats else "converter"
            number = int(index * repeat_share) if kind == "repeat" else index
            rows.append({
                "sex": None, "split": "test" if group == "unseen" else group, "anatomy": names[int(random.integers(len(names)))],
                "kind": kind, "classes": "+".join(map(str, _choose_classes(kind, number, num_classes, random))),
                "seed": int(random.integers(2**31)),
            })  # fmt: skip
    plan = pd.DataFrame(rows)
    plan.insert(0, "participant_id", [f"sub-{number:04d}" for number in range(1, len(plan) + 1)])
    return plan


def _choose_classes(kind: str, number: int, num_classes: int, random: np.random.Generator) -> list[int]:
    """Choose the classes of the sessions of the participant with a number among those of its kind."""
    if kind == "converter":
        return sorted(random.choice(num_classes, 2, replace=False).tolist())
    return [number % num_classes] * (2 if kind == "repeat" else 1)


def draw_course(num_classes: int, random: np.random.Generator) -> np.ndarray:
    """Draw a person's log volume ratios to the template in every class, shape (K, R).

    Args:
        num_classes: Number of classes, K.
        random: Source of randomness.

    Returns:
        Ratios of the first class, around those of the template, and of each class after it.
    """
    deviations = np.array([BASELINE_DEVIATION[structure] for structure in STRUCTURES])
    common, own = (np.clip(random.standard_normal((2, len(STRUCTURES))), -BASELINE_LIMIT, BASELINE_LIMIT) for _ in range(2))
    start = np.sqrt([0.7, 0.3])[:, None, None] * [common, own]
    start = (start.sum(axis=0) * deviations).T.ravel()  # (R,), left and right of each structure
    steps = [draw_step(random) for _ in range(num_classes - 1)]
    return start + np.cumsum([np.zeros(len(REGIONS)), *steps], axis=0)


def draw_step(random: np.random.Generator) -> np.ndarray:
    """Draw the log volume ratios from one class to the next, shape (R,)."""
    step = []
    for structure in STRUCTURES:
        low, high = np.log(STEP_RANGE[structure])
        both = random.uniform(low, high)
        for sign in random.permutation([-1, 1]):
            side = np.clip(both * (1 + sign * random.uniform(0, ASYMMETRY)), low, high)
            spared = structure in LOBES and random.random() >= LOBE_CHANCE
            step.append(np.log(UNTOUCHED_LOBE) if spared else side)
    return np.array(step)


def simulate_participant(row: dict, num_classes: int, spatial_size: Sequence[int], voxel_size: float) -> Participant:
    """Simulate the participant of a row of the plan.

    Args:
        row: With anatomy, kind, classes and seed.
        num_classes: Number of classes.
        spatial_size: Size of the images, H, W, D.
        voxel_size: Edge of a voxel in mm.

    Returns:
        The participant with its sessions.

    Raises:
        ValueError: When the field of view does not hold the brain in any draw.
    """
    classes = [int(label) for label in row["classes"].split("+")]
    brain = prepare_brain(row["anatomy"], voxel_size)

    def draw(random: np.random.Generator) -> np.ndarray:
        return draw_course(num_classes, random)

    drawn = draw_person(brain, draw, sorted(set(classes)), spatial_size, voxel_size, row["seed"])
    return _scan_sessions(drawn, row["kind"], classes, voxel_size)


def _scan_sessions(drawn: Draw, kind: str, classes: list[int], voxel_size: float) -> Participant:
    """Scan a person once for each class in `classes`, and tell what is true of it."""
    person, course, random, generator = drawn
    age = random.uniform(*AGE_RANGE)
    months = [0, REPEAT_MONTHS if kind == "repeat" else int(random.choice(MONTHS))]
    states = [person.states[sorted(set(classes)).index(label)] for label in classes]
    change = None if kind == "single" else states[-1].image - states[0].image
    names = DIAGNOSES[len(course)]
    sessions = []
    for month, label, state in zip(months, classes, states, strict=False):
        table = {"session_id": f"ses-M{month:03d}", "label": label, "age": round(age + month / 12, 1), "diagnosis": names[label]}
        image = scan(state, person.brain_mask, person.noise_level, voxel_size, generator)
        sessions.append(Session(table, image, state.regions, state.volumes, change))
    truth: dict[str, Any] = name_regions("severity", course[classes[-1]])
    if kind != "single":
        truth |= name_regions("weight", course[classes[-1]] - course[classes[0]])
        truth |= name_regions("ratio", states[-1].volumes / states[0].volumes)
    return Participant(truth, sessions, person.brain_mask, person.affine)
