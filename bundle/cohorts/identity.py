"""What a cohort is, for the checkpoints that are trained on it: its name, its scans and its classes."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bundle.data.bids import read_description
from bundle.data.manifest import fingerprint

STUDIES = {  # class names of simulated cohorts whose tables have none
    "lesions": ("control", "lesion"),
    "squares": ("control", "square"),
    "ageing": ("45-60 years", "70-80 years"),
}
COLUMNS = ("class_name", "diagnosis")  # that name the class of a scan

logger = logging.getLogger(__name__)


class Identity(NamedTuple):
    """What a cohort is.

    Attributes:
        name: name of its folder, or what it simulates.
        fingerprint: hash of its training and validation scans with their classes, wherever they lie.
        class_names: names of its classes, in their order; empty where nobody has named them.
    """

    name: str
    fingerprint: str
    class_names: list[str]

    def is_cohort_of(self, about: dict) -> bool:
        """Return whether a network was trained on this cohort, by what its checkpoint says.

        Where it has no hash of the scans the name counts. A checkpoint that says nothing is of no known cohort.
        """
        if found := about.get("fingerprint"):
            return bool(found == self.fingerprint)
        return about.get("cohort") == self.name


def identify_cohort(
    dataset_dir: str | Path, manifest: pd.DataFrame, num_classes: int, class_names: Sequence[str] | None = None
) -> Identity:
    """Return what a cohort is.

    Args:
        dataset_dir: Its folder.
        manifest: Its table.
        num_classes: Number of classes, K.
        class_names: Names of the classes, in their order; None for those of the table (`class_name`, or `diagnosis` where each
            class has one of its own), or of the simulation.

    Raises:
        ValueError: When there are not K different names, or they contradict the table.
    """
    simulation = _find_simulation(Path(dataset_dir))
    named = name_classes(manifest, num_classes)
    if not named and len(STUDIES.get(simulation, ())) == num_classes:
        named = list(STUDIES[simulation])
    if class_names is not None:
        given = [str(name) for name in class_names] if not isinstance(class_names, str) else [class_names]
        if len(given) != num_classes or len(set(given)) < num_classes:
            raise ValueError(f"class_names must be {num_classes} different names, one a class, got {given}")
        if named and named != given:
            raise ValueError(f"class_names {given} contradict the cohort's table, whose classes are {named}: accepted is null")
        named = given
    name = f"simulated {simulation}" if simulation else Path(dataset_dir).resolve().name
    return Identity(name, fingerprint(manifest), named)


def name_classes(manifest: pd.DataFrame, num_classes: int) -> list[str]:
    """Return the names that a table gives its classes, in their order; empty where it does not name each.

    Args:
        manifest: Rows with `label`, and perhaps `class_name` or `diagnosis`.
        num_classes: Number of classes, K.

    Raises:
        ValueError: When `class_name` gives a class two names, or two classes one name.
    """
    for column in COLUMNS:
        if column not in manifest:
            continue
        found = [manifest.loc[manifest["label"] == label, column].dropna().unique().tolist() for label in range(num_classes)]
        if column == COLUMNS[0]:
            _check_names(found)
        names = [str(values[0]) for values in found if len(values) == 1]
        if len(names) == num_classes and len(set(names)) == num_classes:
            return names
    return []


def _check_names(found: Sequence[Sequence[str]]) -> None:
    """Refuse a class with two names, and a name of two classes."""
    for label, names in enumerate(found):
        if len(names) > 1:
            raise ValueError(f"the column class_name calls class {label} {' and '.join(names[:2])}: accepted is one name a class")
    names = [name for names in found for name in names]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"the column class_name calls two classes {repeated[0]}: accepted is one name a class")


def _find_simulation(folder: Path) -> str:
    """Return what a cohort simulates; nothing for real ones."""
    try:
        return str(read_description(folder)["Simulation"]["simulation"])
    except (KeyError, TypeError):
        return ""


def label_class(label: int, names: Sequence[str]) -> str:
    """Return a class as "1 AD", or "1" where its name is not known."""
    return f"{label} {names[label]}" if label < len(names) and names[label] else str(label)


def list_classes(names: Sequence[str]) -> str:
    """Return the classes as "0 MCI, 1 AD"; empty without names."""
    return ", ".join(label_class(label, names) for label in range(len(names)))
