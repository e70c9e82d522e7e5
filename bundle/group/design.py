"""Which maps are compared with what: directions, groups and covariates."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.linalg import orth

from bundle.data.tables import show_columns, show_values
from bundle.group.explained import ExplainedScan
from bundle.inference.overview import name_class

LEAST = 3  # scans of a test, and of each group; with fewer there is no spread to speak of
PREDICTED = "predicted_class"
SHOWN = 5  # names in a message

logger = logging.getLogger(__name__)


class Comparison(NamedTuple):
    """A question to the maps.

    Attributes:
        key: beginning of the names of its files.
        title: the question in words.
        members: positions of its scans, n.
        tested: 1 for each scan of a mean; 1 and 0 for the first and the second group; shape (n,).
        covariates: orthonormal columns with mean 0, shape (n, k); empty for none.
        counts: scans of each group, by its name; of a mean under "scans".
        red: what positive values mean.
        blue: what negative ones mean.
        note: why it is not tested; empty where it is.
        remark: what the title does not say; empty for most.
    """

    key: str
    title: str
    members: list[int]
    tested: np.ndarray
    covariates: np.ndarray
    counts: dict[str, int]
    red: str
    blue: str
    note: str = ""
    remark: str = ""

    @property
    def is_mean(self) -> bool:
        """Whether maps are compared with zero, not with each other."""
        return len(self.counts) == 1


class Design:
    """Groups and covariates.

    Args:
        groups: column, and the values of the first and the second group; None compares predicted classes.
        covariates: columns that are accounted for: standardised where they hold numbers, else a column for each category.
        categories: those of them whose numbers are categories, such as codes of sites.

    Raises:
        ValueError: When `groups` are not three, or a category is no covariate.
    """

    def __init__(
        self, groups: Sequence[str] | None = None, covariates: Sequence[str] = (), categories: Sequence[str] = ()
    ) -> None:
        names = [groups] if isinstance(groups, str) else list(groups or [])
        if names and (len(names) != 3 or str(names[1]) == str(names[2])):
            raise ValueError(f"groups must be a column and two values of it, such as ['sex', 'F', 'M'], got {groups}")
        self.groups = [str(name) for name in names]
        self.covariates, self.categories = ([text] if isinstance(text, str) else list(text) for text in (covariates, categories))
        if other := [name for name in self.categories if name not in self.covariates]:
            raise ValueError(f"categories must be among covariates, {', '.join(self.covariates) or 'none'}, got {other[0]}")

    def check(self, scans: Sequence[ExplainedScan]) -> None:
        """Refuse columns and values that are not there, before maps are read.

        Raises:
            ValueError: When a column is absent, a value of the groups too, or a covariate is missing for a scan or the same
                for all.
        """
        if self.groups:
            column, *values = self.groups
            found = pd.Series([scan.facts.get(column) for scan in scans], dtype=object).dropna()
            self._check_column(column, scans)
            if absent := [value for value in values if value not in set(found)]:
                raise ValueError(f"groups: {column} is never {absent[0]}: it has {show_values(found)}")
            scans = [scan for scan in scans if scan.facts.get(column) in values]
        for column in self.covariates:
            self._check_column(column, scans)
            missing = [scan.row["name"] for scan in scans if column not in scan.facts]
            if missing:
                raise ValueError(
                    f"covariate {column} is missing for {_list(missing)}: give it, or leave these scans out of participants"
                )
            if value := self._find_constant(column, scans):
                raise ValueError(
                    f"covariate {column} is {value} for all {len(scans)} scans, so that there is nothing to account for: leave it"
                    " out of covariates"
                )

    def list_comparisons(self, scans: Sequence[ExplainedScan]) -> list[Comparison]:
        """Return the means by direction, then the differences between groups by target class.

        Args:
            scans: scans that were read.

        Raises:
            ValueError: When a participant is in a test twice, or a group is told by the covariates.
        """
        directions = sorted({scan.direction for scan in scans})
        means = [self._make_mean(direction, scans) for direction in directions]
        found = [self._make_difference(target, scans) for target in sorted({target for _, target in directions})]
        differences = [comparison for comparison in found if comparison]
        if self.groups and all(comparison.note for comparison in differences):
            logger.warning(
                "%s: fewer than %d maps in a group towards each class, so groups are not compared", self.groups[0], LEAST
            )
        return [*means, *differences]

    def describe(self, scans: Sequence[ExplainedScan], comparisons: Sequence[Comparison] = ()) -> list[str]:
        """Return how each covariate is used, in words.

        Args:
            scans: scans that were read.
            comparisons: tests that were made, of which those are named that a covariate drops out of.
        """
        texts = []
        for column in self.covariates:
            values = [scan.facts[column] for scan in scans if column in scan.facts]
            if self._is_number(column, scans):
                numbers = np.array(values, float)
                text = f"number, {numbers.mean():.4g} ± {numbers.std(ddof=1) if len(numbers) > 1 else 0:.3g}"
            else:
                text = f"categories: {show_values(pd.Series(values))}"
            without = [item.title for item in comparisons if self._find_constant(column, [scans[i] for i in item.members])]
            dropped = f"; not in {', '.join(without)}, where it is the same for all scans" if without else ""
            texts.append(f"{column} ({text}{dropped})")
        return texts

    def _make_mean(self, direction: tuple[int, int], scans: Sequence[ExplainedScan]) -> Comparison:
        """Return the question whether maps of a direction differ from zero."""
        members = [place for place, scan in enumerate(scans) if scan.direction == direction]
        names = scans[0].results.class_names
        source, target = (name_class(label, names) for label in direction)
        covariates, missing = self._make_covariates([scans[place] for place in members])
        note = missing or (f"fewer than {LEAST} scans" if len(members) < LEAST else "")
        return _check(
            Comparison(
                key="{}-to-{}".format(*direction),
                title=f"{source} as {target}" if source == target else f"{source} to {target}",
                members=members,
                tested=np.ones(len(members)),
                covariates=covariates,
                counts={"scans": len(members)},
                red=f"brighter as {target}",
                blue=f"darker as {target}",
                note=note,
                remark=f"Scans that the network takes for {source}, translated to {source} as well: what it changes in them"
                " where the class stays"
                if source == target
                else "",
            ),
            scans,
        )

    def _make_difference(self, target: int, scans: Sequence[ExplainedScan]) -> Comparison | None:
        """Return the question whether maps towards a class differ between the groups; None where there are not two."""
        aimed = [place for place, scan in enumerate(scans) if scan.direction[1] == target]
        column, *values = self.groups or [PREDICTED]
        if not values:
            values = sorted({scans[place].row[PREDICTED] for place in aimed}, key=int)
            if len(values) != 2:
                return None
        members = [place for place in aimed if scans[place].facts.get(column) in values]
        names = scans[0].results.class_names
        shown = [name_class(int(value), names) for value in values] if column == PREDICTED else values
        tested = np.array([float(scans[place].facts[column] == values[0]) for place in members])
        counts = {name: int((tested == flag).sum()) for name, flag in zip(shown, (1, 0), strict=True)}
        covariates, missing = self._make_covariates([scans[place] for place in members])
        goal = name_class(target, names)
        note = missing or (f"fewer than {LEAST} scans in a group" if min(counts.values()) < LEAST else "")
        return _check(
            Comparison(
                key=f"{'_'.join(_clean(text) for text in (column, values[0], 'minus', values[1]))}_to-{target}",
                title=f"towards {goal}: {shown[0]} minus {shown[1]}" + f" ({column})" * bool(self.groups),
                members=members,
                tested=tested,
                covariates=covariates,
                counts=counts,
                red=f"{goal} adds more brightness, or takes less away, in {shown[0]}",
                blue=f"{goal} adds less brightness, or takes more away, in {shown[0]}",
                note=note,
            ),
            scans,
        )

    def _make_covariates(self, scans: Sequence[ExplainedScan]) -> tuple[np.ndarray, str]:
        """Return orthonormal columns with mean 0, and why there are none where there should be."""
        columns = [np.zeros((len(scans), 0))]
        for name in self.covariates:
            values = pd.Series([scan.facts.get(name) for scan in scans], dtype=object)
            if values.isna().any():  # of scans outside the groups
                return np.zeros((len(scans), 0)), f"{name} is missing for {int(values.isna().sum())} scans"
            numbers = self._is_number(name, scans)
            columns.append(values.astype(float).to_numpy()[:, None] if numbers else pd.get_dummies(values).to_numpy(float))
        table = np.concatenate(columns, axis=1)
        table -= table.mean(axis=0) if len(table) else 0.0
        spread = table.std(axis=0) if len(table) else np.zeros(table.shape[1])
        table = table[:, spread > 1e-12] / spread[spread > 1e-12]
        return (orth(table) if table.size else table[:, :0]), ""

    def _find_constant(self, column: str, scans: Sequence[ExplainedScan]) -> str:
        """Return the value of a covariate that is the same for all scans; empty where it is not."""
        values = [scan.facts[column] for scan in scans if column in scan.facts]
        different = {float(value) for value in values} if self._is_number(column, scans) else set(values)
        return values[0] if len(different) == 1 else ""

    def _is_number(self, column: str, scans: Sequence[ExplainedScan]) -> bool:
        """Return whether a covariate holds numbers; refuse one that does in part."""
        if column in self.categories:
            return False
        found = {scan.row["name"]: scan.facts[column] for scan in scans if column in scan.facts}
        others = [name for name, text in found.items() if not _is_finite(text)]
        if others and len(others) < len(found):
            raise ValueError(
                f"covariate {column} is a number for some scans, and {found[others[0]]} for {_list(others)}: accepted are numbers"
                " alone, or names alone; or add it to categories"
            )
        return not others

    def _check_column(self, column: str, scans: Sequence[ExplainedScan]) -> None:
        known = dict.fromkeys(key for scan in scans for key in scan.facts)
        if column not in known:
            raise ValueError(
                f"the column {column} is neither in participants nor in predictions.csv: there are {show_columns(list(known))}"
            )


def _check(comparison: Comparison, scans: Sequence[ExplainedScan]) -> Comparison:
    """Refuse a test that would not mean what it seems to."""
    if comparison.note:
        return comparison
    people = Counter(scans[place].person for place in comparison.members)
    person, count = people.most_common(1)[0]
    if count > 1:
        names = [scans[place].row["name"] for place in comparison.members if scans[place].person == person]
        raise ValueError(
            f"{person} has {count} scans in the test {comparison.title}, {_list(names)}: accepted is one scan a"
            " person, as scans of one person are not independent; name these in participants"
        )
    tested, covariates = comparison.tested - comparison.tested.mean() * (not comparison.is_mean), comparison.covariates
    left = tested - covariates @ (covariates.T @ tested)
    if not comparison.is_mean and left @ left < 1e-9 * (tested @ tested):
        raise ValueError(f"{comparison.title}: the covariates say already who is in which group: leave out the one that does")
    if len(tested) - covariates.shape[1] - 1 - (not comparison.is_mean) < 1:
        return comparison._replace(note=f"{len(tested)} scans are too few for {covariates.shape[1]} columns of covariates")
    return comparison


def _is_finite(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _clean(text: str) -> str:
    """Return a text as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-") or "x"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
