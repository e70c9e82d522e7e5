"""Ages and dates as people write them."""

import pandas as pd
import pytest

from bundle.data.ages_and_dates import read_ages, read_dates


def ages(*values: str | None) -> pd.DataFrame:
    return pd.DataFrame({"participant_id": [f"s{index}" for index in range(len(values))], "age": [*values]}, dtype=str)


def test_hidden_ages_count_as_their_bound_with_one_warning(caplog) -> None:
    found = read_ages(ages("89+", ">89", ">= 90", "≥90.5", "61,5", "70", None), "age", "t.tsv")
    assert found.tolist()[:-1] == [89, 89, 90, 90.5, 61.5, 70] and pd.isna(found.iloc[-1])
    assert caplog.text.count("the bound counts") == 1 and "hides 4 values of age (first: 89+ of s0)" in caplog.text


@pytest.mark.parametrize("value", ["old", "22-25", "-4", "999", "1,5,3", "inf", "+89", "89 +x"])
def test_other_ages_are_refused_with_their_row_or_counted_where_they_are_not_used(value: str, caplog) -> None:
    table = ages("60", value)
    if value == "+89":
        assert read_ages(table, "age", "t.tsv").tolist() == [60, 89]
        return
    with pytest.raises(ValueError, match=r"t.tsv gives s1 the age .*: accepted are numbers from 0 to 130, in years"):
        read_ages(table, "age", "t.tsv")
    assert read_ages(table, "age", "t.tsv", strict=False).isna().tolist() == [False, True]
    assert "has 1 values of age that count as missing" in caplog.text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("2010-06-09", None), "2010-06-09"),
        (("6/9/2010", "6/13/2011"), "2010-06-09"),
        (("9/6/2010", "13/6/2011"), "2010-06-09"),
        (("6/9/10", "12/31/11"), "2010-06-09"),
        (("09.06.2010", "01.02.2011"), "2010-06-09"),
        (("9-Jun-10", "31-Dec-11"), "2010-06-09"),
        (("2010-06-09T08:20:30", "2010-07-09 00:00"), "2010-06-09"),
        (("6/6/2010", "7/7/2010"), "2010-06-06"),
    ],
)
def test_dates_are_read_in_the_one_format_that_fits_all(values: tuple[str, ...], expected: str) -> None:
    table = pd.DataFrame({"participant_id": ["a", "b"], "day": values}, dtype=str)
    found = read_dates(table, ["day"], "t.csv")["day"]
    assert found[0] == pd.Timestamp(expected) and found.isna().tolist() == table["day"].isna().tolist()


def test_columns_of_dates_settle_each_others_format() -> None:
    table = pd.DataFrame({"participant_id": ["a"], "day": ["6/9/2010"], "first": ["1/31/2010"]})
    assert read_dates(table, ["day", "first"], "t.csv")["day"][0] == pd.Timestamp("2010-06-09")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("6/9/2010", "7/9/2010"), "gives a the day '6/9/2010': day and month cannot be told apart"),
        (("2010-06-09", "soon"), "gives b the day 'soon': it is none, or of another format"),
        (("2010-06-09", "40338"), "gives b the day '40338'"),
        (("13/6/2010", "6/13/2010"), "it is none, or of another format than the others"),
    ],
)
def test_dates_that_cannot_be_read_are_refused_with_their_row(values: tuple[str, ...], message: str) -> None:
    table = pd.DataFrame({"participant_id": ["a", "b"], "day": values})
    with pytest.raises(ValueError, match=message):
        read_dates(table, ["day"], "t.csv")
