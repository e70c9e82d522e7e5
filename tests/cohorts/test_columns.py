"""Reading tables under names of our own."""

from pathlib import Path

import pytest

from bundle.cohorts.columns import merge_repeats, read_columns
from bundle.cohorts.exclusions import Exclusions

COLUMNS = {"participant_id": ("PTID", "participant_id"), "age": ("AGE", "age")}


@pytest.mark.parametrize(("name", "text"), [("t.tsv", "AGE\tPTID\n70 \tn/a\n"), ("t.csv", "\ufeffAGE,PTID\n70 ,NA\n")])
def test_columns_get_our_names_and_missing_values_are_missing(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    table = read_columns(tmp_path / name, COLUMNS, ["participant_id"])
    assert list(table) == ["participant_id", "age"] and table["age"].tolist() == ["70"] and table["participant_id"].isna().all()


def test_the_first_of_several_names_is_taken(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("participant_id,PTID,age\nother,mine,70\n")
    assert read_columns(tmp_path / "t.csv", COLUMNS, [])["participant_id"].tolist() == ["mine"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv is empty: accepted are a header"),
        ("PTID,age\n", "t.csv has no rows"),
        ("id,age\n1,2\n", r"t.csv lacks the column PTID or participant_id \(participant_id\): its columns are id, age"),
        ("PTID age\n1 2\n", r"t.csv lacks the column PTID or participant_id \(participant_id\): its columns are PTID age"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_columns(tmp_path / "t.csv", COLUMNS, ["participant_id"])


def test_rows_that_differ_in_a_missing_value_only_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("PTID,age\na,70\na,\n")
    with pytest.raises(ValueError, match="has rows for a that differ in age"):
        merge_repeats(read_columns(tmp_path / "t.csv", COLUMNS, []), ["participant_id"], "t.csv", Exclusions())
