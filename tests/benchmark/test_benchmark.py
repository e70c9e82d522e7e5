import pandas as pd
import pytest
from filelock import FileLock

from bundle.benchmark import Benchmark
from bundle.benchmark.benchmark import LOCK
from tests.benchmark.conftest import MEASURES, METHODS, record_stage


@pytest.fixture
def benchmark(tmp_path, finished):
    """A benchmark with nothing left to do."""
    benchmark = Benchmark(METHODS, MEASURES, [0, 1, 2], tmp_path, tmp_path, rival="Ours", published={"Ours": {"plus": 0.3}})
    record_stage(benchmark.cohort.stages[0])
    return benchmark


def test_everything_done_is_published_without_a_run(benchmark, capsys):
    benchmark.run()
    table = pd.read_csv(benchmark.folder / "comparison.csv")
    assert set(table["row"]) == {"Ours", "grad cam, theirs", "occlusion, theirs", "image", "oracle"}
    page = (benchmark.folder / "index.html").read_text()
    assert "data:image/png" in page
    assert "theirs, seed 2" in page
    text = (benchmark.folder / "comparison.md").read_text()
    assert text.count("| Ours | 0.900") == 1
    assert "`Ours` is ahead" in text
    assert "theirs, seed 2" in text
    assert "| Ours | 0.900" in capsys.readouterr().out


def test_failures_are_on_the_page_and_in_the_exit_status(benchmark, monkeypatch):
    failures = {"cohort": [], "ours": ["theirs, seed 2: training failed"]}
    monkeypatch.setattr(benchmark.runner, "run", lambda runs: failures[runs[0].method])
    with pytest.raises(SystemExit, match="theirs, seed 2: training failed"):
        benchmark.run()
    assert "training failed" in (benchmark.folder / "index.html").read_text()


def test_nothing_done_is_said_in_a_sentence(tmp_path, capsys):
    methods = {"ours": METHODS["ours"]}
    Benchmark(methods, MEASURES, [0], tmp_path, tmp_path, rival="Ours").publish()
    assert "nothing to compare" in capsys.readouterr().out


def test_cohort_that_cannot_be_used_stops_everything_at_once(benchmark, monkeypatch):
    started = []
    monkeypatch.setattr(benchmark.runner, "run", lambda runs: started.append(runs[0].method) or ["cohort: listing failed"])
    with pytest.raises(SystemExit, match="cohort: listing failed"):
        benchmark.run()
    assert started == ["cohort"]


def test_unknown_rival_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ValueError, match="rival must be the title of a row"):
        Benchmark(METHODS, MEASURES, [0], tmp_path, tmp_path, rival="Yours")


def test_tables_show_what_is_done_whichever_methods_are_run(tmp_path, finished):
    benchmark = Benchmark(METHODS, MEASURES, [0, 1, 2], tmp_path, tmp_path, only=["theirs"], rival="Ours")
    assert {run.method for run in benchmark.wanted} == {"theirs"}
    benchmark.publish()
    assert "Ours" in set(pd.read_csv(benchmark.folder / "comparison.csv")["row"])


def test_two_benchmarks_in_one_folder_are_refused(benchmark):
    with FileLock(benchmark.folder / LOCK), pytest.raises(ValueError, match="another process.*another output_dir"):
        benchmark.run()


def test_a_cohort_without_truths_has_a_table_of_accuracies(benchmark, finished, capsys):
    for run in finished:
        (run.stages[0].folder / "maps" / "eval" / "scans.csv").write_text("\n")
    benchmark.publish()
    assert "| theirs, maps | 0.900" in capsys.readouterr().out
    assert set(pd.read_csv(benchmark.folder / "figures.csv")["method"]) == {"ours", "theirs"}
    for name in ("comparison.md", "index.html"):
        assert "neither masks nor disease maps" in (benchmark.folder / name).read_text()


def test_without_the_rival_the_others_and_trivial_maps_are_shown(benchmark, finished):
    for run in finished:
        if run.method == "ours":
            run.stages[1].record.unlink()
    benchmark.publish()
    text = (benchmark.folder / "comparison.md").read_text()
    assert "| grad cam, theirs |" in text
    assert "| image |" in text
    assert "Ours is not done, so nothing is compared with it." in text
    assert "is ahead" not in text
    assert "data:image/png" in (benchmark.folder / "index.html").read_text()


def test_settings_are_refused_before_anything_runs(tmp_path):
    for wrong, message in (({"headline": "ncc_imag"}, "headline must be one of"), ({"level": 95}, "level must be a number")):
        with pytest.raises(ValueError, match=message):
            Benchmark(METHODS, MEASURES, [0], tmp_path, tmp_path, rival="Ours", **wrong)


def test_a_row_that_no_table_has_is_named(tmp_path, finished):
    methods = {**METHODS, "ours": {**METHODS["ours"], "rows": {**METHODS["ours"]["rows"], "Typo": "maps/exemplar_recon"}}}
    Benchmark(methods, MEASURES, [0, 1, 2], tmp_path, tmp_path, rival="Ours").publish()
    text = (tmp_path / "comparison.md").read_text()
    assert "Typo has no scores: there is no exemplar_recon in the tables of maps." in text


def test_an_interruption_while_the_cohort_is_made_is_one_sentence(benchmark, monkeypatch):
    def interrupt(runs):
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark.runner, "run", interrupt)
    with pytest.raises(SystemExit, match="stopped; the same command goes on"):
        benchmark.run()
