"""Processes that are killed cost their own job only."""

from collections import Counter
from pathlib import Path

import pytest
from deadly_jobs import square_or_die

from bundle.workers import run_in_processes


@pytest.mark.slow
def test_a_killed_process_costs_its_own_job_only(tmp_path: Path) -> None:
    log, deadly = tmp_path / "log", (0, 5)
    jobs = [(number, deadly, str(log)) for number in range(6)]
    results = dict(run_in_processes(square_or_die, jobs, 2))
    assert results == {number: None if number in deadly else number**2 for number in range(6)}
    calls = Counter(int(line) for line in log.read_text().split())
    assert all(calls[number] == 2 for number in deadly)  # in company and alone, and not again
    assert sum(calls.values()) <= 6 + 2 * len(deadly)  # at most one other was in work
