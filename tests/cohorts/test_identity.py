"""What a cohort is, and how its classes are called."""

import json
from pathlib import Path

import pandas as pd
import pytest

from bundle.cohorts import identify_cohort
from bundle.cohorts.identity import label_class, list_classes, name_classes


def make_manifest(**columns) -> pd.DataFrame:
    rows = {"participant_id": ["a", "b", "c", "d"], "label": [0, 1, 0, 1], "split": ["train"] * 4}
    return pd.DataFrame(rows | columns)


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ({"class_name": ["HC", "PT", "HC", None]}, ["HC", "PT"]),
        ({"diagnosis": ["MCI", "AD", "MCI", "AD"]}, ["MCI", "AD"]),
        ({"diagnosis": ["MCI", "AD", "LMCI", "AD"]}, []),
        ({"class_name": ["HC", None, None, None]}, []),
        ({}, []),
    ],
)
def test_the_table_names_the_classes(columns: dict, names: list[str]) -> None:
    assert name_classes(make_manifest(**columns), 2) == names


@pytest.mark.parametrize(
    ("names", "message"),
    [(["HC", "PT", "CN", "PT"], "class_name calls class 0 HC and CN"), (["HC"] * 4, "class_name calls two classes HC")],
)
def test_names_that_contradict_each_other_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        name_classes(make_manifest(class_name=names), 2)


def test_names_can_be_given_where_the_table_has_none_or_the_same(tmp_path: Path) -> None:
    named = make_manifest(class_name=["HC", "PT"] * 2)
    assert identify_cohort(tmp_path, make_manifest(), 2, ["HC", "PT"]).class_names == ["HC", "PT"]
    assert identify_cohort(tmp_path, named, 2, ["HC", "PT"]).class_names == ["HC", "PT"]
    with pytest.raises(ValueError, match=r"class_names \['MCI', 'AD'\] contradict the cohort's table, .*'HC', 'PT'"):
        identify_cohort(tmp_path, named, 2, ["MCI", "AD"])
    for wrong in (["HC"], ["HC", "HC"], "HC"):
        with pytest.raises(ValueError, match="class_names must be 2 different names"):
            identify_cohort(tmp_path, make_manifest(), 2, wrong)


@pytest.mark.parametrize(
    ("study", "names"), [("lesions", ["control", "lesion"]), ("ageing", ["45-60 years", "70-80 years"]), ("unheard", [])]
)
def test_simulated_cohorts_have_names_of_their_own(tmp_path: Path, study: str, names: list[str]) -> None:
    (tmp_path / "dataset_description.json").write_text(json.dumps({"Simulation": {"simulation": study}}))
    identity = identify_cohort(tmp_path, make_manifest(), 2)
    assert identity.class_names == names and identity.name == f"simulated {study}"


def test_a_cohort_is_known_by_its_scans_wherever_it_lies(tmp_path: Path) -> None:
    one, other = (identify_cohort(tmp_path / name, make_manifest(), 2) for name in ("one", "other"))
    fewer = identify_cohort(tmp_path / "one", make_manifest().iloc[:3], 2)
    about = {"cohort": one.name, "fingerprint": one.fingerprint}
    assert other.is_cohort_of(about) and not fewer.is_cohort_of(about)
    assert one.is_cohort_of({"cohort": "one"}) and not one.is_cohort_of({"cohort": "simulated lesions"})


def test_a_class_is_shown_with_its_name() -> None:
    assert [label_class(1, ["HC", "PT"]), label_class(1, []), list_classes(["HC", "PT"])] == ["1 PT", "1", "0 HC, 1 PT"]
