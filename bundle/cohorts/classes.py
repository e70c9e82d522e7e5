"""Classes made of diagnoses, of ages, or of any other values of a column."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pandas as pd

from bundle.cohorts.exclusions import Exclusions
from bundle.data.manifest import read_labels
from bundle.data.tables import show_values

SYNONYMS = {"NL": "CN", "DEMENTIA": "AD"}
KINDS = {"SMC": "CN", "EMCI": "MCI", "LMCI": "MCI"}


def check_number(classes: Sequence[object], num_classes: int | None) -> None:
    """Refuse fewer than two classes, or other than the network has (None: any number): a `ValueError`."""
    if len(classes) < 2:
        raise ValueError(f"classes must list two groups or more, got {list(classes)}")
    if num_classes is not None and len(classes) != num_classes:
        raise ValueError(f"classes lists {len(classes)} groups, but num_classes is {num_classes}: give the same number")


def label_values(scans: pd.DataFrame, column: str, classes: Sequence[Sequence[str]], exclusions: Exclusions) -> pd.DataFrame:
    """Give each scan the class that lists its value of a column, an integer, and exclude the scans of no class.

    "Dementia" and AD are the same, "NL" and CN as well; "EMCI" and "LMCI" count as MCI and "SMC" as CN unless a class lists
    them by name; of "MCI to Dementia" the later state counts. Case does not matter. A value in two classes is a `ValueError`.
    """
    labels: dict[str, int] = {}
    for label, values in enumerate(classes):
        for value in _list_values(values):
            name = value.upper()
            if labels.setdefault(SYNONYMS.get(name, name), label) != label:
                raise ValueError(f"classes lists {value} in two groups: accepted is one, got {name_classes(classes)}")
    scans = exclusions.drop(scans, scans[column].isna(), f"without {column}")
    found = scans[column].map(lambda value: _find_label(str(value), labels))
    listed = ", ".join(value for values in classes for value in _list_values(values))
    others = show_values(scans.loc[found.isna(), column].astype(str))
    kept = exclusions.drop(scans, found.isna(), f"of another {column} than {listed}: {others}")
    return kept.assign(label=found.dropna().astype(int).to_numpy())


def label_integers(scans: pd.DataFrame, path: str | Path, num_classes: int | None, exclusions: Exclusions) -> pd.DataFrame:
    """Read labels that are integers already, and exclude the scans without one; `path` is their table, for the message."""
    scans = exclusions.drop(scans, scans["label"].isna(), "without label")
    return scans.assign(label=read_labels(scans, path, num_classes))


def name_classes(classes: Sequence[Sequence[str]]) -> list[str]:
    """Return a name for each class from its values, such as MCI/LMCI."""
    return ["/".join(_list_values(values)) for values in classes]


def label_ages(scans: pd.DataFrame, classes: Sequence[Sequence[float]], exclusions: Exclusions) -> pd.DataFrame:
    """Give each scan the class of its `age`, an integer, and exclude the ages of no class.

    A class is its first and last age in years, both included.
    """
    check_ranges(classes)
    scans = exclusions.drop(scans, scans["age"].isna(), "without age")
    intervals = pd.IntervalIndex.from_tuples([(first, last) for first, last in classes], closed="both")
    labels = pd.Series(intervals.get_indexer(scans["age"]), index=scans.index)  # -1 outside
    ranges = " and ".join(f"{first:g} to {last:g}" for first, last in classes)
    kept = exclusions.drop(scans, labels < 0, f"of an age outside {ranges} years")
    return kept.assign(label=labels[labels >= 0].to_numpy())


def check_ranges(classes: Sequence[Sequence[float]]) -> None:
    """Refuse classes, first and last age in years, of which one is no range or two overlap: a `ValueError`."""
    for ages in classes:
        if isinstance(ages, str) or len(ages) != 2 or not ages[0] <= ages[1]:
            raise ValueError(f"classes must list first and last age of each class, such as [[45, 60], [70, 80]], got {ages}")
    ordered = sorted(classes, key=lambda ages: ages[0])
    for lower, upper in pairwise(ordered):
        if upper[0] <= lower[1]:
            raise ValueError(f"classes overlap at {upper[0]:g} years: accepted are ranges apart, got {[*map(list, classes)]}")


def _list_values(values: Sequence[str] | str | int) -> list[str]:
    """Return the values of a class, of which there may be a single one."""
    return [str(values)] if isinstance(values, str | int) else [str(value) for value in values]


def _find_label(value: str, labels: dict[str, int]) -> int | None:
    """Return the label of a value, after the last "to" and under its other names."""
    name = value.upper().split(" TO ")[-1].strip()
    name = SYNONYMS.get(name, name)
    return labels.get(name, labels.get(KINDS.get(name, name)))
