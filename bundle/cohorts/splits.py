"""Which participants are for training, validation and test."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bundle.cohorts.columns import read_columns
from bundle.data.manifest import SPLITS, read_splits
from bundle.data.participants import name_person

HELD_OUT = ("converters", "everyone")


@dataclass(frozen=True)
class Splitting:
    """How participants are split, alike in class, age and sex.

    Without folds the split is by `fractions`. With `num_folds`, fold `fold` is the test split, the next one the validation
    split, and the others are for training; over all values of `fold` each participant is tested once. The split of a
    participant depends on the seed and on who else is there, not on the order of rows.

    Args:
        fractions: Shares of training, validation and test, summing to 1.
        num_folds: Number of folds, at least 3; None for a split by fractions.
        fold: Which of them is tested, from 0.
        table: TSV or CSV with participant_id and split, to be used instead; None for none.
        age_bin: Width of the age groups that are spread evenly, years.
        seed: Seed of the draw.
        least: Participants of each class in validation and in test, at least; with fewer than two an evaluation leaves out
            linear probes and the maps of scans without a reference scan.

    Raises:
        ValueError: When a value is out of range.
    """

    fractions: Sequence[float] = (0.8, 0.1, 0.1)
    num_folds: int | None = None
    fold: int = 0
    table: str | Path | None = None
    age_bin: float = 10.0
    seed: int = 0
    least: int = 2

    def __post_init__(self) -> None:
        if len(self.fractions) != 3 or min(self.fractions) < 0 or not np.isclose(sum(self.fractions), 1):
            raise ValueError(f"fractions must be shares of train, validation and test that sum to 1, got {[*self.fractions]}")
        if self.num_folds is not None and self.num_folds < 3:
            raise ValueError(f"num_folds must be at least 3 (test, validation, training) or null, got {self.num_folds}")
        if self.num_folds is not None and not 0 <= self.fold < self.num_folds:
            raise ValueError(f"fold must be from 0 to {self.num_folds - 1}, got {self.fold}")
        if self.least < 1:
            raise ValueError(f"least must be at least 1 participant, got {self.least}")
        if self.age_bin <= 0:
            raise ValueError(f"age_bin must be a number of years above 0, got {self.age_bin}")

    def assign(self, scans: pd.DataFrame, converters: Collection[str] = (), held_out: str = "everyone") -> pd.Series:
        """Assign the participants of a cohort.

        Args:
            scans: Rows with `participant_id` and `label`, perhaps `age` (years) and `sex`.
            converters: Participants who are never in training.
            held_out: Who may be in validation and test: "converters" only, as in the paper, or "everyone".

        Returns:
            For each row "train", "validation" or "test"; NaN for participants that `table` does not list.

        Raises:
            ValueError: When there are too few participants, or the table is wrong.
        """
        if held_out not in HELD_OUT:
            raise ValueError(f"held_out must be one of {' or '.join(HELD_OUT)}, got {held_out!r}")
        if self.table is not None:
            return scans["participant_id"].map(name_person).map(_read_splits(self.table))
        participants = _describe_participants(scans, self.age_bin)
        kept_apart = participants.index.isin(list(converters))
        splits = dict(self._spread(participants[kept_apart], training=False, least=1 if held_out == "everyone" else self.least))
        if held_out == "everyone":
            splits |= self._spread(participants[~kept_apart], training=True, least=self.least)
        elif not splits:
            raise ValueError(
                "no participant has usable scans in two classes, so there is nobody to validate and test on:"
                " with held_out everyone, participants of a single class are used for that as well"
            )
        return scans["participant_id"].map(splits).fillna("train")

    def _spread(self, participants: pd.DataFrame, training: bool, least: int) -> dict[str, str]:
        """Return the split of each participant, with or without a training split, `least` of each class in the others."""
        if participants.empty:
            return {}
        names, shares = self._shares(training)
        wanted = np.where(shares > 0, least, 0)
        if self.num_folds is None:
            wanted[0] = min(wanted[0], 1)  # of training
        splits: dict[str, str] = {}
        for label, group in participants.groupby("label" if training else lambda _: "n/a (who change class)"):
            if len(group) < wanted.sum():
                raise ValueError(self._describe_lack(len(group), str(label), wanted))
            quotas = _round_shares(shares, len(group), wanted)
            keys = [hashlib.sha256(f"{self.seed} {name}".encode()).hexdigest() for name in group.index]  # of nothing else
            order = group.assign(key=keys).sort_values(["label", "sex", "age", "key"]).index
            splits |= {name: names[part] for name, part in zip(order, _interleave(quotas), strict=True)}
        return splits

    def _describe_lack(self, count: int, label: str, wanted: np.ndarray) -> str:
        """Return the sentence on a class with too few participants, with the remedy."""
        most = count // self.least
        if self.num_folds is not None:
            remedy = f"give num_folds {most} at most" if most >= 3 else "add participants, or give a smaller least"
            return f"{count} participants of class {label} are too few for {self.num_folds} folds of {self.least} each: {remedy}"
        train, validation, test = wanted
        folds = f", num_folds {most} at most" if most >= 3 else ""
        return (
            f"{count} participants of class {label} are too few: accepted are {wanted.sum()} or more ({train} for training,"
            f" {validation} for validation, {test} for test); add participants, or give other fractions{folds}, a smaller"
            " least, or a table with a column split"
        )

    def _shares(self, training: bool) -> tuple[list[str], np.ndarray]:
        """Return the split and the share of each part into which participants are spread."""
        train, validation, test = SPLITS
        if self.num_folds is None:
            shares = np.array(self.fractions) * ([1, 1, 1] if training else [0, 1, 1])
            if not shares.sum():
                raise ValueError(f"fractions {[*self.fractions]} leave nothing for validation and test, where converters belong")
            return list(SPLITS), shares / shares.sum()
        names = [train if training else validation] * self.num_folds
        names[(self.fold + 1) % self.num_folds] = validation
        names[self.fold] = test
        return names, np.full(self.num_folds, 1 / self.num_folds)


def _read_splits(path: str | Path) -> dict[str, str]:
    """Read the split of each participant from a table; several rows of a participant must agree."""
    columns = {"participant_id": ["participant_id", "PTID", "eid"], "split": ["split"]}
    rows = read_splits(read_columns(path, columns, required=list(columns)), path)
    rows = rows.assign(participant_id=rows["participant_id"].map(name_person, na_action="ignore")).drop_duplicates()
    torn = rows[rows["participant_id"].duplicated()]
    if len(torn):
        raise ValueError(f"{path} puts {torn['participant_id'].iloc[0]} in two splits: all scans of a participant belong in one")
    return dict(zip(rows["participant_id"], rows["split"], strict=True))


def _describe_participants(scans: pd.DataFrame, age_bin: float) -> pd.DataFrame:
    """Return first class, first age (in bins) and sex of each participant, in the order of their names."""
    columns = scans.reindex(columns=["participant_id", "label", "age", "sex"])
    rows = columns.groupby("participant_id").agg({"label": "min", "age": "min", "sex": "min"})
    return rows.assign(age=(rows["age"].astype(float) / age_bin).fillna(-1) // 1, sex=rows["sex"].fillna("").astype(str))


def _round_shares(shares: np.ndarray, count: int, least: np.ndarray) -> np.ndarray:
    """Return whole numbers near `shares * count` that sum to it, each at least `least`, whose sum is no larger than `count`."""
    exact = shares * count
    quotas = np.floor(exact + 1e-9).astype(int)
    for part in np.argsort(quotas - exact, kind="stable")[: count - quotas.sum()]:
        quotas[part] += 1
    for part in np.repeat(np.arange(len(quotas)), np.maximum(least - quotas, 0)):
        quotas[(quotas - least).argmax()] -= 1
        quotas[part] += 1
    return quotas


def _interleave(quotas: np.ndarray) -> list[int]:
    """Return each part as often as its quota, spread evenly, so that every stretch of the list has all parts."""
    counts, parts = np.zeros(len(quotas), dtype=int), []
    for position in range(1, int(quotas.sum()) + 1):
        part = int(np.argmax(quotas * position / quotas.sum() - counts))
        counts[part] += 1
        parts.append(part)
    return parts
