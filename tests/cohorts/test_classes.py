"""Classes made of diagnoses and ages."""

import pandas as pd
import pytest

from bundle.cohorts.classes import label_ages, label_integers, label_values
from bundle.cohorts.exclusions import Exclusions


def table(**columns) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    return pd.DataFrame({"participant_id": [f"s{i}" for i in range(count)], **columns})


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ([["MCI"], ["AD"]], {"MCI": 0, "LMCI": 0, "EMCI": 0, "AD": 1, "Dementia": 1, "MCI to Dementia": 1}),
        ([["CN"], ["Dementia"]], {"CN": 0, "NL": 0, "SMC": 0, "AD": 1, "Dementia": 1, "MCI to Dementia": 1}),
        ([["EMCI"], ["LMCI"]], {"EMCI": 0, "LMCI": 1}),
        ([["cn", "smc"], "ad"], {"CN": 0, "NL": 0, "SMC": 0, "AD": 1, "Dementia": 1, "MCI to Dementia": 1}),
    ],
)
def test_diagnoses_under_their_names(classes, expected: dict[str, int]) -> None:
    values = ["CN", "NL", "SMC", "MCI", "LMCI", "EMCI", "AD", "Dementia", "MCI to Dementia", None, "other"]
    exclusions = Exclusions()
    scans = label_values(table(diagnosis=values), "diagnosis", classes, exclusions)
    assert dict(zip(scans["diagnosis"], scans["label"], strict=True)) == expected
    assert exclusions.counts()["without diagnosis"] == 1
    assert sum(exclusions.counts().values()) == len(values) - len(expected)


def test_first_and_last_age_are_included() -> None:
    ages = [44.9, 45.0, 60.0, 60.1, 69.9, 70.0, 80.0, 80.1, float("nan")]
    scans = label_ages(table(age=ages), [[45, 60], [70, 80]], Exclusions())
    assert scans[["age", "label"]].to_numpy().tolist() == [[45, 0], [60, 0], [70, 1], [80, 1]]


def test_the_order_of_the_classes_gives_the_labels() -> None:
    assert label_ages(table(age=[50.0, 75.0]), [[70, 80], [45, 60]], Exclusions())["label"].tolist() == [1, 0]


@pytest.mark.parametrize(("value", "num_classes"), [("1.5", None), ("-1", None), ("AD", None), ("2", 2)])
def test_labels_must_be_integers_of_the_network(value: str, num_classes: int | None) -> None:
    with pytest.raises(ValueError, match=f"labels.tsv gives s1 the label '{value}': accepted are integers from 0"):
        label_integers(table(label=["0", value]), "labels.tsv", num_classes, Exclusions())
