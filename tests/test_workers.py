"""Jobs in processes of this machine and by workers of a scheduler: those that are killed cost their own job only."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deadly_jobs import square_or_die, square_slowly
from tiny_scans import ROOT

from bundle.simulation.squares import simulate_squares_cohort
from bundle.simulation.storage import compute_checksum
from bundle.workers import Workers


def check(results: dict[int, int | None], log: Path, deadly: tuple[int, ...]) -> None:
    """Check six results of `square_or_die`, and how often each was tried."""
    assert results == {number: None if number in deadly else number**2 for number in range(6)}
    calls = Counter(int(line) for line in log.read_text().split())
    assert all(calls[number] == 2 for number in deadly)  # in company and alone, and not again
    assert sum(calls.values()) <= 6 + 2 * len(deadly)  # at most one other was in work


@pytest.mark.slow
def test_a_killed_process_costs_its_own_job_only(tmp_path: Path) -> None:
    log, deadly = tmp_path / "log", (0, 5)
    check(dict(Workers(2).run(square_or_die, [(number, deadly, str(log)) for number in range(6)])), log, deadly)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"num_workers": -1}, "num_workers must be null, 0 or a whole number above, got -1"),
        ({"num_workers": 1.5}, "num_workers must be null, 0 or a whole number above, got 1.5"),
        ({"scheduler": "node1:8786"}, "scheduler must be null or an address such as tcp://node1:8786, got node1:8786"),
        ({"timeout": 0}, "workers#timeout must be above 0 s, got 0"),
    ],
)
def test_other_values_are_refused(setting: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Workers(**setting)


def test_a_scheduler_that_does_not_answer_or_dask_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(scheduler="tcp://127.0.0.1:9", timeout=0.2)
    Workers().check()
    with pytest.raises(OSError, match=r"^scheduler tcp://127\.0\.0\.1:9 has not answered within 0\.2 s$"):
        workers.check()
    with pytest.raises(OSError, match=r"^scheduler tcp://127\.0\.0\.1:9 has not answered within 0\.2 s$"):
        list(workers.run(abs, [(-1,)]))
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r'^scheduler needs Dask: pip install -c constraints\.txt "\.\[cluster\]"$'):
        list(workers.run(abs, [(-1,)]))


@contextmanager
def run_cluster(folder: Path, root: Path, num_workers: int) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """Run a scheduler and workers that have the package of a folder; gives the scheduler's address, and the workers."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(ROOT / "tests")])}

    def start(*words: str) -> subprocess.Popen:
        with (folder / "log").open("a") as log:
            command = [sys.executable, "-m", "dask", *words, "--no-dashboard"]
            return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    found = folder / "scheduler.json"
    processes = [start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(found))]
    processes += [start("worker", "--scheduler-file", str(found), "--nthreads", "1", "--no-nanny") for _ in range(num_workers)]
    try:
        while (folder / "log").read_text().count("Registered to") < num_workers:
            assert all(process.poll() is None for process in processes), (folder / "log").read_text()
            time.sleep(0.05)
        yield json.loads(found.read_text())["address"], processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A scheduler's address, and its three workers."""
    with run_cluster(tmp_path_factory.mktemp("cluster"), ROOT, num_workers=3) as started:
        yield started


def read_calls(log: Path) -> list[list[int]]:
    """Return number and parent process of each call of `square_slowly`."""
    return [[int(word) for word in line.split()] for line in log.read_text().splitlines()] if log.is_file() else []


@pytest.mark.slow
def test_a_worker_of_a_scheduler_that_is_killed_costs_a_repetition_of_its_jobs_only(
    cluster: tuple[str, list[subprocess.Popen]], tmp_path: Path
) -> None:
    address, processes = cluster
    log, jobs = tmp_path / "log", [(number, str(tmp_path / "log")) for number in range(9)]
    results = Workers(scheduler=address).run(square_slowly, jobs)
    found = [next(results)]
    lost = next(process for process in processes if process.pid == read_calls(log)[-1][1])
    lost.kill()
    assert sorted([*found, *results]) == [(number, number**2) for number in range(9)]
    calls = Counter(number for number, _ in read_calls(log))
    assert set(calls.values()) == {1, 2}
    assert sum(calls.values()) <= 9 + 2  # the job in work, and one that was done but not yet fetched


@pytest.mark.slow
def test_a_job_that_kills_its_process_costs_a_scheduler_no_worker(
    cluster: tuple[str, list[subprocess.Popen]], tmp_path: Path
) -> None:
    log, deadly = tmp_path / "log", (0, 5)
    alive = [process.poll() for process in cluster[1]]
    jobs = [(number, deadly, str(log)) for number in range(6)]
    check(dict(Workers(scheduler=cluster[0]).run(square_or_die, jobs)), log, deadly)
    assert [process.poll() for process in cluster[1]] == alive


@pytest.mark.slow
def test_jobs_of_a_run_that_ends_early_are_not_begun(cluster: tuple[str, list[subprocess.Popen]], tmp_path: Path) -> None:
    log = tmp_path / "log"
    results = Workers(scheduler=cluster[0]).run(square_slowly, [(number, str(log)) for number in range(20)])
    next(results)
    results.close()  # type: ignore[attr-defined]  # as Ctrl-C does
    time.sleep(1.5)
    assert len(read_calls(log)) <= 9  # three done, three in work, three sent


@pytest.mark.slow
def test_a_worker_with_other_code_refuses_jobs(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "bundle", tmp_path / "other" / "bundle", ignore=shutil.ignore_patterns("__pycache__", "*.gz"))
    with (tmp_path / "other" / "bundle" / "workers.py").open("a") as file:
        file.write("# changed\n")
    with run_cluster(tmp_path, tmp_path / "other", num_workers=1) as (address, _), pytest.raises(OSError) as error:
        list(Workers(scheduler=address).run(abs, [(-1,)]))
    assert str(error.value).startswith("the worker on ")
    assert f"has another version of the bundle, {tmp_path / 'other' / 'bundle'}: start it" in str(error.value)


@pytest.mark.slow
def test_a_cohort_that_a_scheduler_has_simulated_is_that_of_this_process(
    cluster: tuple[str, list[subprocess.Popen]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for process in [process for process in cluster[1] if process.poll() is None][1:]:
        process.kill()  # each imports PyTorch, and one is enough
    here, there = (
        simulate_squares_cohort(name, (16, 16), 6, 2, 2, workers=workers)
        for name, workers in (("here", Workers(0)), ("there", Workers(scheduler=cluster[0])))
    )
    assert compute_checksum(here) == compute_checksum(there)
