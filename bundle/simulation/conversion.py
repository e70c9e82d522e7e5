"""The conversion study: mild cognitive impairment (MCI) that becomes Alzheimer's disease (AD)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bundle.simulation.brains import prepare_brain
from bundle.simulation.cohort import Study
from bundle.simulation.persons import check_field_of_view, draw_person, scan
from bundle.simulation.regions import LOBES, REGIONS, STRUCTURES
from bundle.simulation.sessions import Session, list_files, name_regions
from bundle.simulation.storage import SubjectFiles

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


@dataclass(frozen=True)
class ConversionStudy(Study):
    """T1-weighted brains before and after conversion to Alzheimer's disease.

    Ventricles grow, hippocampus, amygdala and the cortex of random lobes shrink, in random sides and severities. A subject
    of the training split has one session, and there are as many of each class. Those of validation and test are converters
    with a session before and one after, or have two scans of the same state.

    Source: after the ADNI experiment of Bass et al., NeurIPS 2020, Sec. 4.2 (https://arxiv.org/abs/2006.08287).

    Args:
        repeat_share: Share of the validation and test subjects that have two scans of the same state.
        num_classes: 2 for MCI and AD, 3 for controls (CN), MCI and AD.

    Raises:
        ValueError: When the share or the number of classes is impossible.
    """

    name: ClassVar = "conversion"
    check_size = staticmethod(check_field_of_view)
    details: ClassVar = {"Regions": list(REGIONS)}
    repeat_share: float = 0.25
    num_classes: int = 2

    def __post_init__(self) -> None:
        if self.num_classes not in DIAGNOSES:
            raise ValueError(f"num_classes must be 2 (MCI, AD) or 3 (CN, MCI, AD), got {self.num_classes}")
        if not 0 <= self.repeat_share <= 1:
            raise ValueError(f"repeat_share must be from 0 to 1, got {self.repeat_share}")

    def plan_subject(self, split: str, anatomies: Sequence[str], key: tuple[int, int, int]) -> dict[str, Any]:
        """Draw a subject's row; `classes` holds the classes of its sessions, joined by `+`."""
        random, index = np.random.default_rng(key), key[-1]
        anatomy = anatomies[int(random.integers(len(anatomies)))]
        repeats = int(index * self.repeat_share)  # of the subjects before this one
        repeated = int((index + 1) * self.repeat_share) > repeats
        kind = "single" if split == "train" else "repeat" if repeated else "converter"
        if kind == "converter":
            classes = sorted(random.choice(self.num_classes, 2, replace=False).tolist())
        else:
            classes = [index % self.num_classes] if kind == "single" else [repeats % self.num_classes] * 2
        return {
            "sex": None, "split": split, "anatomy": anatomy, "kind": kind, "classes": "+".join(map(str, classes)),
            "seed": int(random.integers(2**31)),
        }  # fmt: skip

    def simulate(self, row: dict, spatial_size: Sequence[int], voxel_size: float) -> SubjectFiles:
        """Simulate the subject of a row of the plan, and scan it once for each of its classes."""
        classes = [int(label) for label in row["classes"].split("+")]
        wanted, names = sorted(set(classes)), DIAGNOSES[self.num_classes]

        def draw(random: np.random.Generator) -> np.ndarray:
            return draw_course(self.num_classes, random)

        brain = prepare_brain(row["anatomy"], voxel_size)
        person = draw_person(brain, draw, wanted, spatial_size, voxel_size, row["seed"])
        age = person.random.uniform(*AGE_RANGE)
        months = [0, REPEAT_MONTHS if row["kind"] == "repeat" else int(person.random.choice(MONTHS))]
        states = [person.states[wanted.index(label)] for label in classes]
        sessions = []
        for month, label, state in zip(months, classes, states, strict=False):
            table = {"session_id": f"ses-M{month:03d}", "label": label, "age": round(age + month / 12, 1)}
            image = scan(state, person, voxel_size)
            sessions.append(Session({**table, "diagnosis": names[label]}, image, state))
        truth = name_regions("severity", person.course[classes[-1]])
        if row["kind"] == "single":
            return list_files(row, person, sessions, None, truth)
        truth |= name_regions("weight", person.course[classes[-1]] - person.course[classes[0]])
        truth |= name_regions("ratio", states[-1].volumes / states[0].volumes)
        return list_files(row, person, sessions, states[-1].image - states[0].image, truth)


def draw_course(num_classes: int, random: np.random.Generator) -> np.ndarray:
    """Draw a person's log volume ratios to the template in each of K classes, shape (K, R), around 0 in the first."""
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
