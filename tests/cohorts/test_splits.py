"""Splits of participants: alike, repeatable, independent of the order of rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bundle.cohorts import Splitting


@pytest.fixture
def scans() -> pd.DataFrame:
    """Two hundred participants of two classes, ages 50 to 89, with one to three scans each."""
    random = np.random.default_rng(0)
    rows = [
        {"participant_id": f"s{i:03d}", "label": int(i >= 120), "age": float(age), "sex": sex, "scan": scan}
        for i, (age, sex) in enumerate(zip(random.integers(50, 90, 200), random.choice(["F", "M"], 200), strict=True))
        for scan in range(1 + i % 3)
    ]
    return pd.DataFrame(rows)


def split_of(scans: pd.DataFrame, **options) -> dict[str, str]:
    splits = scans.assign(split=Splitting(**options).assign(scans))
    assert splits.groupby("participant_id")["split"].nunique().max() == 1
    return dict(zip(splits["participant_id"], splits["split"], strict=True))


def test_each_class_is_split_by_the_fractions(scans: pd.DataFrame) -> None:
    people = scans.drop_duplicates("participant_id")
    splits = people["participant_id"].map(split_of(scans, fractions=(0.7, 0.1, 0.2)))
    assert people.groupby([splits, "label"]).size().to_dict() == {
        ("train", 0): 84, ("validation", 0): 12, ("test", 0): 24, ("train", 1): 56, ("validation", 1): 8, ("test", 1): 16,
    }  # fmt: skip


def test_splits_are_alike_in_age_and_sex(scans: pd.DataFrame) -> None:
    people = scans.drop_duplicates("participant_id")
    splits = people["participant_id"].map(split_of(scans, fractions=(0.6, 0.2, 0.2)))
    bins = people.groupby(["label", "sex", people["age"] // 10])
    for _, group in bins:
        shares = splits[group.index].value_counts() / len(group)
        for split, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
            assert abs(shares.get(split, 0) - share) * len(group) < 2
    assert people["age"].groupby(splits).mean().max() - people["age"].groupby(splits).mean().min() < 2


def test_the_order_of_rows_does_not_matter(scans: pd.DataFrame) -> None:
    shuffled = scans.sample(frac=1, random_state=1)
    assert split_of(shuffled) == split_of(scans)
    assert split_of(shuffled, num_folds=5, fold=2) == split_of(scans, num_folds=5, fold=2)


def test_the_seed_matters_and_repeats(scans: pd.DataFrame) -> None:
    assert split_of(scans, seed=1) == split_of(scans, seed=1) != split_of(scans, seed=2)


def test_over_all_folds_each_participant_is_tested_and_validated_once(scans: pd.DataFrame) -> None:
    folds = [split_of(scans, num_folds=4, fold=fold) for fold in range(4)]
    for split, times in (("test", 1), ("validation", 1), ("train", 2)):
        assert all(sum(splits[name] == split for splits in folds) == times for name in folds[0])
    sizes = [sum(split == "test" for split in splits.values()) for splits in folds]
    assert sizes == [50] * 4


def test_converters_are_never_trained_on(scans: pd.DataFrame) -> None:
    converters = [f"s{i:03d}" for i in range(0, 40)]
    for options in ({}, {"num_folds": 4, "fold": 1}):
        for held_out in ("everyone", "converters"):
            splits = Splitting(**options).assign(scans, converters, held_out)
            of_converters = splits[scans["participant_id"].isin(converters)]
            assert set(of_converters) == {"validation", "test"}
            rest = set(splits[~scans["participant_id"].isin(converters)])
            assert rest == ({"train"} if held_out == "converters" else {"train", "validation", "test"})


def make_people(count: int) -> pd.DataFrame:
    return pd.DataFrame({"participant_id": [f"s{i}" for i in range(2 * count)], "label": [0, 1] * count})


@pytest.mark.parametrize(("count", "least"), [(5, 2), (7, 2), (11, 2), (12, 2), (3, 1), (4, 1)])
def test_small_classes_have_the_least_number_in_validation_and_test(count: int, least: int) -> None:
    people = make_people(count)
    splits = people.assign(split=people["participant_id"].map(split_of(people, least=least)))
    counts = splits.groupby(["split", "label"]).size().unstack()
    assert (counts.loc[["validation", "test"]] >= least).all(axis=None) and (counts.loc["train"] >= 1).all()
    assert counts.to_numpy().sum() == 2 * count


def test_twenty_four_people_are_split_into_sixteen_and_four_and_four() -> None:
    counts = pd.Series(split_of(make_people(12))).value_counts().to_dict()
    assert counts == {"train": 16, "validation": 4, "test": 4}


def test_each_fold_has_two_of_each_class_or_the_number_of_folds_that_would() -> None:
    people = make_people(12)
    for fold in range(6):
        test = [name for name, split in split_of(people, num_folds=6, fold=fold).items() if split == "test"]
        assert people.loc[people["participant_id"].isin(test), "label"].tolist().count(1) == 2 == len(test) / 2
    with pytest.raises(
        ValueError, match="12 participants of class 0 are too few for 7 folds of 2 each: give num_folds 6 at most"
    ):
        split_of(people, num_folds=7)


def test_a_class_too_small_for_a_test_is_refused_with_remedies() -> None:
    with pytest.raises(ValueError, match=r"4 participants of class 0 are too few: accepted are 5 or more .* a smaller least"):
        split_of(make_people(4))


def test_a_table_decides(scans: pd.DataFrame, tmp_path: Path, write_table) -> None:
    table = write_table(tmp_path / "splits.tsv", "participant_id split", "s000 test", "s001 train", "s001 train")
    splits = Splitting(table=table).assign(scans)
    assert splits[scans["participant_id"] == "s000"].tolist() == ["test"]
    assert splits.isna().sum() == len(scans) - 1 - 2


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["s000 test", "s000 train"], "puts s000 in two splits"),
        (["s000 dev"], "puts s000 in the split 'dev': accepted are train, validation, test"),
    ],
)
def test_a_wrong_table_is_refused(scans: pd.DataFrame, tmp_path: Path, write_table, rows: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Splitting(table=write_table(tmp_path / "splits.tsv", "participant_id split", *rows)).assign(scans)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fractions": (0.5, 0.5)}, "fractions must be shares of train, validation and test that sum to 1"),
        ({"fractions": (0.8, 0.1, 0.2)}, "fractions must be shares"),
        ({"fractions": (1.2, -0.1, -0.1)}, "fractions must be shares"),
        ({"num_folds": 2}, "num_folds must be at least 3"),
        ({"num_folds": 5, "fold": 5}, "fold must be from 0 to 4, got 5"),
        ({"age_bin": 0}, "age_bin must be a number of years above 0"),
        ({"num_folds": 121}, "120 participants of class 0 are too few for 121 folds of 2 each: give num_folds 60 at most"),
        ({"least": 0}, "least must be at least 1 participant, got 0"),
    ],
)
def test_errors_say_what_is_accepted(scans: pd.DataFrame, options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Splitting(**options).assign(scans)
