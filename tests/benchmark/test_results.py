import pytest

from bundle.benchmark.results import EXACT, LEARNED, TRIVIAL, Results
from tests.benchmark.conftest import METHODS


def test_star_gives_a_row_for_each_method_that_was_measured(finished):
    rows = Results(METHODS, finished, "Ours").rows
    assert [row.title for row in rows if row.family == LEARNED] == ["Ours", "Grad-CAM, theirs", "occlusion, theirs"]


def test_trivial_maps_and_exact_change_come_last_and_from_the_reference(finished):
    rows = [row for row in Results(METHODS, finished, "Ours").rows if row.family != LEARNED]
    assert {row.family for row in rows} == {TRIVIAL, EXACT}
    assert {row.method for row in rows} == {"ours"}


def test_rows_that_come_by_one_title_are_refused(finished):
    methods = {**METHODS, "theirs": {**METHODS["theirs"], "rows": {"Ours": "maps/grad_cam"}}}
    with pytest.raises(ValueError, match="two rows have the title Ours"):
        Results(methods, finished, "Ours")


def test_scores_are_those_of_all_seeds_and_scans(finished):
    scores = Results(METHODS, finished, "Ours").read_scores()
    counts = scores.groupby("row")["seed"].agg(["nunique", "size"])
    assert (counts.loc["Ours"] == [3, 36]).all()


def test_runs_that_are_not_done_are_left_out(finished):
    finished[-1].steps[-1].record.unlink()
    scores = Results(METHODS, finished, "Ours").read_scores()
    assert scores[scores["row"] == "Grad-CAM, theirs"]["seed"].nunique() == 2


def test_measure_without_scored_maps_has_no_rows(finished):
    for run in finished:
        (run.steps[0].folder / "maps" / "eval" / "scans.csv").write_text("\n")
    assert [row for row in Results(METHODS, finished, "Ours").rows if row.method == "theirs"] == []
    assert Results(METHODS, finished, "Ours").read_scores().empty


def test_figures_are_those_of_every_measure(finished):
    figures = Results(METHODS, finished, "Ours").read_figures()
    assert len(figures) == 6
    assert set(figures["name"]) == {"classifier"}


def test_nothing_done_gives_empty_tables(runs):
    methods = {"ours": METHODS["ours"]}
    assert Results(methods, runs, "Ours").read_scores().empty


def test_run_that_is_not_done_has_no_maps(runs):
    results = Results({"ours": METHODS["ours"]}, runs, "Ours")
    assert results.read_maps(results.reference) == {}
