"""The ageing study: age changes the brain, and so does what age does not explain."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from bundle.simulation.brains import prepare_brain
from bundle.simulation.cohort import Study
from bundle.simulation.persons import check_field_of_view, draw_person, scan
from bundle.simulation.regions import REGIONS, STRUCTURES
from bundle.simulation.sessions import Session, list_files, name_regions
from bundle.simulation.storage import SubjectFiles

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


class AgeingStudy(Study):
    """T1-weighted brains of ages from 45 to 80 years.

    Ventricles grow and hippocampus, amygdala and cortex shrink with age; each person departs from the mean of its
    age. The manifest holds the classes 45 to 60 (label 0) and 70 to 80 years (label 1); `manifest_all.tsv` holds all
    ages. Scans for validation and test have the exact map from the younger to the older of the own age and an age of the
    other class. About seven of ten training subjects have a label.

    Source: after the UK Biobank experiment of Bass et al., NeurIPS 2020, Sec. 4.3 (https://arxiv.org/abs/2006.08287).
    """

    name = "ageing"
    check_size = staticmethod(check_field_of_view)
    details: ClassVar = {"Regions": list(REGIONS)}
    all_scans = ALL_AGES

    def plan_subject(self, split: str, anatomies: Sequence[str], key: tuple[int, int, int]) -> dict[str, Any]:
        """Draw a subject's row; label and target age are missing between the classes, and the target age in training."""
        random = np.random.default_rng(key)
        anatomy, seed = anatomies[int(random.integers(len(anatomies)))], int(random.integers(2**31))
        age = round(random.uniform(*AGE_RANGE), 1)
        label = label_age(age)
        target = None if label is None or split == "train" else round(random.uniform(*CLASSES[1 - label]), 1)
        return {
            "sex": None, "split": split, "anatomy": anatomy, "kind": "single", "age": age, "label": label, "target_age": target,
            "seed": seed,
        }  # fmt: skip

    def simulate(self, row: dict, spatial_size: Sequence[int], voxel_size: float) -> SubjectFiles:
        """Simulate the subject of a row of the plan, and where it has a target age, the map that leads there."""
        ages = [row["age"]] if pd.isna(row["target_age"]) else [row["age"], row["target_age"]]

        def draw(random: np.random.Generator) -> np.ndarray:
            unexplained = draw_unexplained(random)
            return np.stack([compute_age_effect(age) + unexplained for age in ages])

        brain = prepare_brain(row["anatomy"], voxel_size)
        person = draw_person(brain, draw, range(len(ages)), spatial_size, voxel_size, row["seed"])
        younger, older = (person.states[ages.index(age)] for age in (min(ages), max(ages)))
        change = older.image - younger.image if len(ages) > 1 else None
        table = {
            "session_id": "ses-M000", "label": None if pd.isna(row["label"]) else int(row["label"]), "age": row["age"],
            "target_age": ages[-1] if len(ages) > 1 else None,
        }  # fmt: skip
        session = Session(table, scan(person.states[0], person, voxel_size), person.states[0])
        unexplained = person.course[0] - compute_age_effect(row["age"])
        truth = name_regions("severity", person.course[0]) | name_regions("unexplained", unexplained)
        return list_files(row, person, [session], change, truth)


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
