import pandas as pd
import pytest
from filelock import FileLock

from bundle.benchmark import Benchmark, Plan, Publication, Runner
from bundle.benchmark.benchmark import LOCK
from tests.benchmark.conftest import MEASURES, METHODS, record_step


def make(folder, methods=METHODS, seeds=(0, 1, 2), **keys):
    """Return a benchmark in a folder."""
    plan = Plan(methods, MEASURES, list(seeds), folder, **keys)
    return Benchmark(plan, Runner(folder), Publication(plan, "Ours", {"Ours": {"plus": 0.3}}))


@pytest.fixture
def benchmark(tmp_path, finished):
    """A benchmark with nothing left to do."""
    benchmark = make(tmp_path)
    record_step(benchmark.plan.cohort.steps[0])
    return benchmark


def test_everything_done_is_published_without_a_run(benchmark, capsys):
    benchmark.run()
    table = pd.read_csv(benchmark.plan.folder / "comparison.csv")
    assert set(table["row"]) == {
        "Ours",
        "Grad-CAM, theirs",
        "occlusion, theirs",
        "image itself (floor)",
        "exact change (ceiling)",
    }
    page = (benchmark.plan.folder / "index.html").read_text()
    assert "data:image/png" in page
    assert "theirs, seed 2" in page
    text = (benchmark.plan.folder / "comparison.md").read_text()
    assert text.count("| Ours | 0.900") == 1
    assert "`Ours` is ahead" in text
    assert "theirs, seed 2" in text
    assert "| Ours | 0.900" in capsys.readouterr().out


def test_failures_are_on_the_page_and_in_the_exit_status(benchmark, monkeypatch):
    failures = {"cohort": [], "ours": ["theirs, seed 2: training failed"]}
    monkeypatch.setattr(benchmark.runner, "run", lambda runs: failures[runs[0].method])
    with pytest.raises(SystemExit, match="theirs, seed 2: training failed"):
        benchmark.run()
    assert "training failed" in (benchmark.plan.folder / "index.html").read_text()


def test_nothing_done_is_said_in_a_sentence(tmp_path, capsys):
    benchmark = make(tmp_path, {"ours": METHODS["ours"]}, [0])
    benchmark.publish()
    assert "nothing to compare" in capsys.readouterr().out
    for name, column in (("comparison", "lead"), ("figures", "num_seeds")):  # tables without rows
        table = pd.read_csv(benchmark.plan.folder / f"{name}.csv")
        assert table.empty and column in table


def test_cohort_that_cannot_be_used_stops_everything_at_once(benchmark, monkeypatch):
    started = []
    monkeypatch.setattr(benchmark.runner, "run", lambda runs: started.append(runs[0].method) or ["cohort: listing failed"])
    with pytest.raises(SystemExit, match="cohort: listing failed"):
        benchmark.run()
    assert started == ["cohort"]


def test_tables_show_what_is_done_whichever_methods_are_run(tmp_path, finished):
    benchmark = make(tmp_path, only=["theirs"])
    assert {run.method for run in benchmark.plan.wanted} == {"theirs"}
    benchmark.publish()
    assert "Ours" in set(pd.read_csv(benchmark.plan.folder / "comparison.csv")["row"])


def test_two_benchmarks_in_one_folder_are_refused(benchmark):
    with FileLock(benchmark.plan.folder / LOCK), pytest.raises(ValueError, match="another process.*another output_dir"):
        benchmark.run()


def test_a_cohort_without_truths_has_a_table_of_accuracies(benchmark, finished, capsys):
    for run in finished:
        (run.steps[0].folder / "maps" / "eval" / "scans.csv").write_text("\n")
    benchmark.publish()
    assert "| theirs, maps | 0.900" in capsys.readouterr().out
    assert set(pd.read_csv(benchmark.plan.folder / "figures.csv")["method"]) == {"ours", "theirs"}
    for name in ("comparison.md", "index.html"):
        assert "neither masks nor disease maps" in (benchmark.plan.folder / name).read_text()


def test_without_the_reference_the_others_and_trivial_maps_are_shown(benchmark, finished):
    for run in finished:
        if run.method == "ours":
            run.steps[1].record.unlink()
    benchmark.publish()
    text = (benchmark.plan.folder / "comparison.md").read_text()
    assert "| Grad-CAM, theirs |" in text
    assert "| image itself (floor) |" in text
    assert "Ours is not done, so nothing is compared with it." in text
    assert "is ahead" not in text
    assert "data:image/png" in (benchmark.plan.folder / "index.html").read_text()


def test_a_row_that_no_table_has_is_named(tmp_path, finished):
    methods = {**METHODS, "ours": {**METHODS["ours"], "rows": {**METHODS["ours"]["rows"], "Typo": "maps/exemplar_recon"}}}
    make(tmp_path, methods).publish()
    text = (tmp_path / "comparison.md").read_text()
    assert "Typo has no scores: there is no exemplar_recon in the tables of maps." in text


def test_an_interruption_ends_the_benchmark_and_frees_its_folder(benchmark, monkeypatch):
    def interrupt(runs):
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark.runner, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):  # for which the command line has a sentence
        benchmark.run()
    assert not (benchmark.plan.folder / "benchmark.lock").exists()
