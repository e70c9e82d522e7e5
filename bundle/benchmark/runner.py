"""Running the stages of a benchmark, several at a time; what was done is not done again."""

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock, current_thread, main_thread
from typing import Any

from tqdm import tqdm

from bundle.benchmark.plan import Run, Stage, check_files, digest_files, find_changed_files, list_stages, read_record
from bundle.files import write_atomically
from bundle.report.provenance import find_commit

logger = logging.getLogger(__name__)

LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1  # of prctl(2): the signal that a process gets when the one that started it dies
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Runner:
    """Run what is left of a benchmark.

    A stage that ended well leaves a record, with its command, and is not run again. A training that was stopped goes on after its
    last epoch. A stage that fails is named at the end, and the other runs are done.

    Args:
        root: the bundle's root.
        num_jobs: runs at the same time.
        num_threads: threads of each.
    """

    def __init__(self, root: str | Path, num_jobs: int = 1, num_threads: int = 1) -> None:
        if num_jobs < 1 or num_threads < 1:
            raise ValueError(f"num_jobs and num_threads must be at least 1, got {num_jobs} and {num_threads}")
        self.root, self.num_jobs, self.num_threads = Path(root), num_jobs, num_threads
        self.stopped, self.starting = Event(), Lock()
        self.processes: set[subprocess.Popen] = set()

    def run(self, runs: Sequence[Run]) -> list[str]:
        """Run all stages that have no record yet.

        Args:
            runs: what is to be run, in this order.

        Returns:
            A sentence for each run that failed.

        Raises:
            ValueError: When a record is that of another command.
        """
        self.stopped.clear()
        stages = list(list_stages(runs))
        left = [stage for stage in stages if read_record(stage) is None]  # other settings are refused before anything runs
        check_files(left, self.root)
        for stage in left:
            if stage.record.is_file():
                logger.warning("%s cannot be read, or its results are gone: the stage is run again", stage.record)
        for name in find_changed_files(stages, self.root):
            logger.warning("%s has changed since it was used: what is done already is not done again with it", name)
        bar = tqdm(total=len(stages), initial=len(stages) - len(left), desc="benchmark", unit="stage")
        failures = []
        pool = ThreadPoolExecutor(self.num_jobs)
        try:
            for future in as_completed([pool.submit(self._run_all, run, bar) for run in runs]):
                if future.result():
                    failures.append(future.result())
        except BaseException:  # Ctrl-C among them: what runs is ended, and nothing new is started
            with _ignore_interrupts():
                self.stop()
                pool.shutdown(cancel_futures=True)
            raise
        finally:
            pool.shutdown(cancel_futures=True)
            bar.close()
        return failures

    def stop(self) -> None:
        """End what runs, and start no further stage; a training goes on later after its last epoch."""
        with self.starting:  # so that none starts unseen
            self.stopped.set()
            for process in self.processes:
                process.terminate()

    def _run_all(self, run: Run, bar: tqdm) -> str:
        """Run the stages of one run; return a sentence when one fails, whereupon the others are left."""
        for stage in run.stages:
            if read_record(stage) is None and not self.stopped.is_set():
                bar.set_postfix_str(f"{run.method}, seed {run.seed}: {stage.name}")
                others = run.stages[1:] if stage is run.stages[0] else ()  # what was measured of another training does not count
                try:
                    status = self._run_stage(stage, others)
                except OSError as error:  # the other runs are done
                    status = str(error)
                if status:
                    return f"{run.method}, seed {run.seed}: {stage.name} failed ({status})"
                bar.update()
        return ""

    def _run_stage(self, stage: Stage, others: Sequence[Stage] = ()) -> str:
        """Run a stage and record it, whereupon `others` are no longer done; return what its log ends with when it fails."""
        stage.folder.mkdir(parents=True, exist_ok=True)
        threads = {name: str(self.num_threads) for name in THREAD_VARIABLES}
        digests = digest_files(stage, self.root)
        begin = time.monotonic()
        with stage.log.open("w") as file:
            options: dict[str, Any] = {"stdout": file, "stderr": subprocess.STDOUT, "env": os.environ | threads}
            with self.starting:
                if self.stopped.is_set():
                    return "stopped"
                process = subprocess.Popen(stage.command(), cwd=self.root, preexec_fn=_end_with_parent, **options)
                self.processes.add(process)
            status = process.wait()
            with self.starting:
                self.processes.remove(process)
        if status:
            return f"see {stage.log}: {_find_reason(stage.log.read_text(errors='replace'))}"
        if not stage.has_results():
            return f"it ended without {stage.results}: remove the folder {stage.folder} to have all of this run done again"
        for other in others:
            other.record.unlink(missing_ok=True)
        record: dict[str, Any] = {
            "arguments": stage.command()[1:],
            "seconds": round(time.monotonic() - begin, 1),
            "commit": find_commit(self.root),
            "configs": digests,
        }
        with write_atomically(stage.record) as path:
            path.write_text(json.dumps(record, indent=2) + "\n")
        return ""


@contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from cutting the block."""
    numbers = (signal.SIGINT, signal.SIGTERM) if current_thread() is main_thread() else ()  # others get no signals
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _end_with_parent() -> None:
    """Have the process that calls this end when its parent is killed, so that no training goes on unseen; on Linux."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _find_reason(log: str) -> str:
    """Return the last line of a log that names an error; without one its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()] or ["its log is empty"]
    return ([line for line in lines if line.startswith("Error:")] or lines)[-1]
