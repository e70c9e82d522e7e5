"""The order of sessions, and pairs of converters."""

import pandas as pd

from bundle.cohorts.exclusions import Exclusions
from bundle.cohorts.sessions import drop_reverters, drop_unpaired, find_pairs, sort_sessions


def visits(*rows: tuple[str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["participant_id", "session_id", "label"])


def test_sessions_are_sorted_by_number_and_not_by_name() -> None:
    scans = visits(("a", "m120", 1), ("a", "m12", 0), ("a", "bl", 0), ("a", "m06", 0))
    assert sort_sessions(scans)["session_id"].tolist() == ["bl", "m06", "m12", "m120"]


def test_sessions_without_numbers_are_sorted_by_age() -> None:
    scans = visits(("a", "post", 1), ("a", "again", 0)).assign(age=[70.0, 71.0])
    assert sort_sessions(scans)["session_id"].tolist() == ["post", "again"]


def test_sessions_of_several_kinds_are_sorted_by_age_with_a_warning(caplog) -> None:
    scans = visits(("a", "y1", 1), ("a", "m12", 0), ("a", "bl", 0)).assign(age=[73.0, 71.0, 70.0])
    assert sort_sessions(scans)["session_id"].tolist() == ["bl", "m12", "y1"]
    assert "sessions are named in several ways (y1, m12)" in caplog.text


def test_a_pair_is_the_first_scan_of_each_class() -> None:
    scans = sort_sessions(visits(*[("a", f"m{12 * i:02d}", int(i > 1)) for i in range(4)], ("b", "bl", 1), ("b", "m12", 1)))
    assert find_pairs(scans).fillna("").tolist() == ["m24", "", "m00", "", "", ""]


def test_a_pair_spans_the_first_and_the_last_of_three_classes() -> None:
    scans = visits(("a", "m00", 0), ("a", "m12", 1), ("a", "m24", 2))
    assert find_pairs(scans).fillna("").tolist() == ["m24", "", "m00"]


def test_reverters_are_left_out_whole() -> None:
    exclusions = Exclusions()
    scans = visits(("a", "m00", 0), ("a", "m12", 1), ("a", "m24", 0), ("b", "m00", 0))
    assert drop_reverters(scans, scans, exclusions)["participant_id"].tolist() == ["b"]
    assert exclusions.counts() == {"of a participant who returns to an earlier class": 3}


def test_visits_without_a_scan_show_who_returns_and_who_converts() -> None:
    exclusions = Exclusions()
    history = visits(("a", "m24", 0), ("a", "m12", 1), ("b", "m00", 0), ("b", "m12", 1), ("c", "m00", 0), ("c", "m12", 0))
    scans = visits(("a", "m24", 0), ("b", "m00", 0), ("c", "m00", 0))
    scans = drop_reverters(scans, history, exclusions)
    assert drop_unpaired(scans, history, exclusions)["participant_id"].tolist() == ["c"]
    assert exclusions.rows == [
        ("a", "m24", "of a participant who returns to an earlier class"),
        ("b", "m00", "of a converter without usable scans of both classes"),
    ]


def test_a_history_without_visits_excludes_nobody() -> None:
    scans = visits(("a", "m00", 0), ("a", "m12", 1))
    assert len(drop_reverters(scans, scans.iloc[:0], Exclusions())) == 2
