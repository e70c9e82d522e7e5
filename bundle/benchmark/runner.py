"""Running the steps of a benchmark, several at a time; a step that has ended well is not run again."""

import ctypes
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
from threading import Event, Lock

from monai.bundle import ConfigParser
from tqdm import tqdm

from bundle.benchmark.plan import Run, Step, check_schema
from bundle.records import compute_fingerprint
from bundle.report.provenance import find_commit

logger = logging.getLogger(__name__)

LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1  # of prctl(2): the signal that a process gets when the one that started it dies


class Runner:
    """Run what is left of a benchmark.

    A training that was stopped goes on after its last epoch. A step that fails is named at the end, and the other runs are done.
    Threads wait for processes of their own (not joblib's, which cannot end the command that a worker has started).

    Args:
        root: the bundle's root, where the config files are.
        num_jobs: runs at the same time.
        num_threads: threads of each.
        launcher: words before each command, such as those of `srun`, which starts it on another machine.

    Raises:
        ValueError: When a number is below 1.
    """

    def __init__(self, root: str | Path, num_jobs: int = 1, num_threads: int = 1, launcher: Sequence[str] = ()) -> None:
        check_schema(num_jobs=num_jobs, num_threads=num_threads)
        self.root, self.num_jobs, self.launcher = Path(root), num_jobs, launcher
        self.threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(num_threads))
        self.stopped, self.starting = Event(), Lock()
        self.processes: set[subprocess.Popen] = set()

    def run(self, runs: Sequence[Run]) -> list[str]:
        """Run all steps that have no record yet.

        Args:
            runs: what is to be run, in this order.

        Returns:
            A sentence for each run that failed.

        Raises:
            ValueError: When a record is that of another command, or a config file or entry point is absent.
        """
        self.stopped.clear()
        steps = [step for run in runs for step in run.steps]
        left = [step for step in steps if step.read_record() is None]
        self._check_files(left)
        self._warn(steps)
        failures = []
        pool = ThreadPoolExecutor(self.num_jobs)
        with tqdm(total=len(steps), initial=len(steps) - len(left), desc="benchmark", unit="step") as bar:
            try:
                for future in as_completed([pool.submit(self._run_all, run, bar) for run in runs]):
                    failures += [future.result()] if future.result() else []
            except BaseException:  # Ctrl-C among them: what runs is ended, and nothing new is started
                with ignore_interrupts():
                    self.stop()
                    pool.shutdown(cancel_futures=True)
                raise
            finally:
                pool.shutdown(cancel_futures=True)
        return failures

    def stop(self) -> None:
        """End what runs, and start no further step; a training goes on later after its last epoch."""
        with self.starting:  # so that none starts unseen
            self.stopped.set()
            for process in self.processes:
                process.terminate()

    def _check_files(self, steps: Sequence[Step]) -> None:
        """Refuse config files and entry points that are absent, before anything runs."""
        keys: dict[str, set[str]] = {}
        for step in steps:
            place = f"the {step.name} of {step.folder.parent.name} names"
            for name in step.files:
                if not (self.root / name).is_file():
                    raise ValueError(f"{place} {name}, which does not exist")
                if name not in keys:
                    keys[name] = set(ConfigParser.load_config_file(self.root / name))
            if not any(step.entry in keys[name] for name in step.files):
                raise ValueError(f"{place} the entry {step.entry}, which no config has")

    def _warn(self, steps: Sequence[Step]) -> None:
        """Name records that do not count, and config files that have changed since a step ended well."""
        used: set[tuple[str, str]] = set()  # many steps have the same files
        for step in steps:
            record = step.read_record()
            if record is None and step.record.is_file():
                logger.warning("%s cannot be read, or its results are gone: the step is run again", step.record)
            used |= set(record.get("configs", {}).items()) if record else set()
        for name in sorted({name for name, digest in used if self._digest(name) != digest}):
            logger.warning("%s has changed since it was used: what is done already is not done again with it", name)

    def _digest(self, name: str) -> str:
        """Return a digest of the keys and values of a config file, whatever its comments."""
        return compute_fingerprint(ConfigParser.load_config_file(self.root / name))

    def _run_all(self, run: Run, bar: tqdm) -> str:
        """Run the steps of one run; return a sentence when one fails, whereupon the others are left."""
        for step in run.steps:
            if step.read_record() is None and not self.stopped.is_set():
                bar.set_postfix_str(f"{run.method}, seed {run.seed}: {step.name}")
                others = run.steps[1:] if step is run.steps[0] else ()  # what was measured of another training does not count
                try:
                    reason = self._run_step(step, others)
                except OSError as error:  # the other runs are done
                    reason = str(error)
                if reason:
                    return f"{run.method}, seed {run.seed}: {step.name} failed ({reason})"
                bar.update()
        return ""

    def _run_step(self, step: Step, others: Sequence[Step]) -> str:
        """Run a step and record it, whereupon `others` are no longer done; return the reason when it fails."""
        step.folder.mkdir(parents=True, exist_ok=True)
        configs, begin = {name: self._digest(name) for name in step.files}, time.monotonic()
        with step.log.open("w") as log:
            with self.starting:
                if self.stopped.is_set():
                    return "stopped"
                process = subprocess.Popen(
                    [*self.launcher, *step.command()], cwd=self.root, stdout=log, stderr=subprocess.STDOUT,
                    env=os.environ | self.threads, preexec_fn=end_with_parent,
                )  # fmt: skip
                self.processes.add(process)
            status = process.wait()
            with self.starting:
                self.processes.remove(process)
        if status:
            lines = [line.strip() for line in step.log.read_text(errors="replace").splitlines() if line.strip()]
            errors = [line for line in lines if line.startswith("Error:")]
            return f"see {step.log}: {(errors or lines or ['its log is empty'])[-1]}"
        if step.results and not step.find_results():
            return f"it ended without {step.results}: remove the folder {step.folder} to have all of this run done again"
        for other in others:
            other.record.unlink(missing_ok=True)
        step.write_record(seconds=round(time.monotonic() - begin, 1), commit=find_commit(self.root), configs=configs)
        return ""


@contextmanager
def ignore_interrupts() -> Iterator[None]:
    """Keep Ctrl-C from interrupting the block."""
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def end_with_parent() -> None:
    """Have the process that calls this end when its parent is killed, so that no training goes on unseen; on Linux."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
