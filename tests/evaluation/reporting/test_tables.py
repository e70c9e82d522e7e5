import math

import pandas as pd

from bundle.evaluation.reporting.tables import (
    format_faithfulness,
    format_figure,
    format_results,
    pivot_figures,
    pivot_maps,
    show_number,
)

ROWS = [
    ("seen", "paper", "exemplar_input", "-", "ncc_image", 0.5, 0.4, 0.6),
    ("seen", "paper", "exemplar_input", "-", "ncc_brain", 0.1, 0.0, 0.2),
    ("seen", "paired", "exemplar_input", "+", "ncc_image", 0.25, 0.2, 0.3),
    ("seen", "paper", "noise", "-", "ncc_image", math.nan, math.nan, math.nan),
    ("seen", "", "classifier", "", "accuracy", 0.9, 0.8, 1.0),
]
METRICS = pd.DataFrame(ROWS, columns=["split", "protocol", "method", "direction", "metric", "mean", "ci_low", "ci_high"])


def test_maps_have_a_row_a_method_and_a_column_a_protocol_and_direction():
    table = pivot_maps(METRICS, "ncc_image", "exemplar")
    assert list(table.index) == ["exemplar_input", "noise"]
    assert table.loc["exemplar_input"].to_dict() == {"paper NCC(-)": "0.500 [0.40, 0.60]", "paired NCC(+)": "0.250 [0.20, 0.30]"}
    assert table.loc["noise"].to_dict() == {"paper NCC(-)": "n/a", "paired NCC(+)": ""}


def test_classes_have_a_column_a_figure():
    assert pivot_figures(METRICS, "").loc["classifier", "accuracy"] == "0.900 [0.80, 1.00]"


def test_figures_on_pairs_have_a_row_a_method_and_direction():
    names = [("", "repeat_ratio"), ("+", "volume_ratio")]
    rows = [("pairs", "longitudinal", *name, 0.5, 0.4, 0.6) for name in names]
    table = pivot_figures(pd.DataFrame(rows, columns=METRICS.columns[1:]), "pairs")
    assert table.loc["longitudinal"].to_dict() == {"repeat_ratio": "0.500 [0.40, 0.60]", "volume_ratio": ""}
    assert table.loc["longitudinal (+)"].to_dict() == {"repeat_ratio": "", "volume_ratio": "0.500 [0.40, 0.60]"}


def test_text_shows_the_headline_only_and_says_what_is_left_out():
    text = format_results(METRICS.assign(cohort="tiny"), "ncc_image", ["no column brain_mask: nothing inside it"])
    assert "0.500" in text and "0.100" not in text
    assert text.endswith("Left out: no column brain_mask: nothing inside it.")


def test_a_table_without_maps_shows_classes():
    text = format_results(METRICS.assign(cohort="tiny").tail(1), "ncc_image")
    assert "classifier" in text and "NCC" not in text


def test_a_zero_has_no_sign():
    assert [show_number(value) for value in (-0.001, 0.001, -0.006)] == ["0.00", "0.00", "-0.01"]


def test_faithfulness_has_a_table_for_each_kind_of_figures_and_remarks_come_last():
    protocols = {"": "the classes", "paired": "pairs", "none": "nothing"}
    text = format_faithfulness(METRICS.assign(cohort="tiny"), protocols, ["So be it."])
    assert "tiny, seen: the classes" in text and "exemplar_input (+)  0.250 [0.20, 0.30]" in text
    assert "nothing" not in text and "noise" not in text and text.endswith("So be it.")


def test_small_figures_have_more_digits():
    row = pd.Series({"metric": "composition_error", "mean": 0.01234567, "ci_low": 0.01, "ci_high": 0.02})
    assert format_figure(row) == "0.01235 [0.0100, 0.0200]"


def test_regions_have_a_row_each_with_both_figures_of_a_method():
    rows = [
        ("seen", "regions", method, direction, f"{kind}_left-hippocampus", value)
        for method in ("longitudinal", "exemplar_input")
        for direction, share in (("-", 0.5), ("+", 0.25))
        for kind, value in (("drawn", share), ("ncc", share / 2))
    ]
    names = ["split", "protocol", "method", "direction", "metric", "mean"]
    table = pivot_figures(pd.DataFrame(rows, columns=names), "regions")
    assert table.to_dict() == {
        "longitudinal (-)": {"left-hippocampus": "0.50, 0.25"}, "longitudinal (+)": {"left-hippocampus": "0.25, 0.12"},
    }  # fmt: skip
