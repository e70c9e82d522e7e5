import pandas as pd
import pytest

from bundle.benchmark.results import Results
from bundle.benchmark.summary import summarise_figures, summarise_scores
from bundle.benchmark.text_tables import add_published, lay_out, lay_out_faithfulness, lay_out_leads, to_markdown
from tests.benchmark.conftest import METHODS


@pytest.fixture
def results(finished):
    results = Results(METHODS, finished, "Ours")
    summary = summarise_scores(results.read_scores(), ["ncc_image"], "Ours")
    return results.rows, summary, summarise_figures(results.read_figures())


def test_table_has_a_line_a_row_and_a_column_a_figure(results):
    rows, summary, figures = results
    table = lay_out(summary, figures, rows, "seen", "ncc_image")
    assert list(table.index) == [
        "Ours",
        "Grad-CAM, theirs",
        "occlusion, theirs",
        "image itself (floor)",
        "exact change (ceiling)",
    ]
    assert list(table.columns) == ["accuracy", "NCC(-)", "NCC(+)", "seeds"]
    assert table.loc["Ours", "NCC(-)"].startswith("0.820 ± 0.10 [0.77")
    assert table.loc["Ours", "accuracy"] == "0.900 [0.80, 1.00]"
    assert table.loc["image itself (floor)", "accuracy"] == ""
    assert list(table["seeds"]) == ["3", "3", "3", "", ""]


def test_published_figures_stand_beside_the_rows_that_they_are_of(results):
    rows, summary, figures = results
    table = add_published(lay_out(summary, figures, rows, "seen", "ncc_image"), {"Ours": {"minus": 0.435}})
    assert list(table["published NCC(-)"]) == ["0.435", "", "", "", ""]


def test_leads_leave_the_reference_out(results):
    rows, summary, _ = results
    table = lay_out_leads(summary, rows, "seen", "ncc_image")
    assert "Ours" not in table.index
    assert table.loc["Grad-CAM, theirs", "ahead by, NCC(+)"] == "0.300 [0.30, 0.30]"


def test_faithfulness_has_a_table_of_its_own_by_row_and_direction(results):
    rows, _, figures = results
    assert lay_out_faithfulness(figures, rows, "seen").empty
    line = {"method": "theirs", "measure": "faithfulness_posthoc", "name": "grad_cam", "split": "seen", "direction": "-"}
    more = pd.DataFrame([line | {"metric": "deletion", "mean": 0.5, "ci_low": 0.4, "ci_high": 0.6, "num_seeds": 3, "n": 9}])
    table = lay_out_faithfulness(pd.concat([figures, more]), rows, "seen")
    assert table.to_dict("index") == {"Grad-CAM, theirs": {"deletion (-)": "0.500 [0.40, 0.60]"}}
    again = next(row for row in rows if row.name == "grad_cam")._replace(title="grad cam again", measure="other")
    for order in ([*rows, again], [again, *rows]):  # the first of two of one name
        named = next(row.title for row in order if row.name == "grad_cam")
        assert list(lay_out_faithfulness(pd.concat([figures, more]), order, "seen").index) == [named]


def test_markdown_has_a_head_a_rule_and_the_lines():
    table = pd.DataFrame({"NCC": ["0.5", None]}, index=["one", "two"])
    assert to_markdown(table) == "| method | NCC |\n| --- | --- |\n| one | 0.5 |\n| two |  |\n"
