"""The commands of the bundle on tiny data, each in a process that can be killed at any time.

A process is forked from one that has imported everything: a kill then hits the work and not the start of Python.
"""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import fire
import nibabel
import numpy as np
import package
import yaml
from monai.bundle import run as run_bundle

from bundle import CONFIGS
from bundle.simulation import simulate_squares_cohort
from faults.results import list_explained, list_prepared, list_simulated

ROOT = Path(__file__).resolve().parents[2]
MEMORY_LIMIT = 6e9  # bytes, of a process's resident memory
SMALL = {"device": "cpu", "image_size": "[32, 32]"}
TRAINING = {
    "max_epochs": 4, "epoch_length": 6, "warmup_epochs": 1, "warmup_iterations": 2, "batch_size": 4, **SMALL,
    "simulated_cohort#num_train": 16, "simulated_cohort#num_validation": 8, "simulated_cohort#num_test": 8,
}  # fmt: skip
RAW = {"brain_extraction": False, "bias_correction": False, "registration": False, "voxel_size": 4.0, "num_workers": 0,
       "limits#brain_volume": "[0, 1e9]", "limits#template_correlation": -1, "limits#num_slices": 2}  # fmt: skip


class Ending(NamedTuple):
    """How a process ended.

    Attributes:
        status: exit status; negative for the signal that killed it.
        text: what it printed.
        seconds: how long it ran.
        memory: its largest resident memory, bytes.
    """

    status: int
    text: str
    seconds: float
    memory: float

    @property
    def is_sentence(self) -> bool:
        """Whether it ended by itself, without a traceback, within its memory."""
        return self.status >= 0 and "Traceback (most recent call last)" not in self.text and self.memory < MEMORY_LIMIT

    @property
    def reason(self) -> str:
        """What it said last of an error, or else at all."""
        lines = self.text.strip().splitlines() or [f"status {self.status} without a word"]
        return next((line for line in reversed(lines) if "Error" in line), lines[-1])


class Task(NamedTuple):
    """A command whose result does not depend on when it was cut.

    Attributes:
        name: what it does.
        work: does it; takes the folder of its results.
        list_finished: returns the files below a folder of results that are not to be written again.
        equal: patterns of files that must be equal, whether it was cut or not.
    """

    name: str
    work: Callable[[Path], object]
    list_finished: Callable[[Path], Iterable[Path]]
    equal: tuple[str, ...] = ("*",)


class Process:
    """A piece of work in a forked process.

    Args:
        work: what is done there.
        log: file for what it prints.
    """

    def __init__(self, work: Callable[[], object], log: Path) -> None:
        self.log, self.begin = log, time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        self.number = os.fork()
        if self.number == 0:
            os._exit(_work(work, log))
        with suppress(OSError):  # it has done so itself
            os.setpgid(self.number, self.number)

    def kill_after(self, seconds: float) -> Ending:
        """Kill it, and what it started, after so many seconds, unless it has ended."""
        while time.monotonic() - self.begin < seconds:
            if ending := self._poll(os.WNOHANG):
                return ending
            time.sleep(0.005)
        os.killpg(self.number, signal.SIGKILL)
        return self.wait()

    def wait(self) -> Ending:
        """Wait for its end."""
        return self._poll(0)  # type: ignore[return-value]  # it waits

    def _poll(self, options: int) -> Ending | None:
        number, status, usage = os.wait4(self.number, options)
        if number == 0:
            return None
        text = self.log.read_text(errors="replace")
        return Ending(os.waitstatus_to_exitcode(status), text, time.monotonic() - self.begin, usage.ru_maxrss * 1024)


def call(work: Callable[[], object], log: Path) -> Ending:
    """Do a piece of work in a process of its own and wait for its end."""
    return Process(work, log).wait()


def _work(work: Callable[[], object], log: Path) -> int:
    """Do a piece of work as the main program of this process; return its exit status."""
    with suppress(OSError):
        os.setpgid(0, 0)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.excepthook = sys.__excepthook__
    try:
        work()
        status = 0
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]  # there is an error
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def run(run_id: str, files: list[str], **options: object) -> None:
    """Run the bundle as `python -m monai.bundle run` does.

    Args:
        run_id: what is run.
        files: names of configs.
        options: keys and values; "#" in a key is written "__".
    """
    words = ["run", run_id, "--config_file", str([str(CONFIGS / f"{file}.yaml") for file in files]), "--logging_file", "False"]
    for key, value in options.items():
        words += [f"--{key.replace('__', '#')}", str(value)]
    sys.argv = ["monai.bundle", *words]
    fire.Fire({"run": run_bundle}, words)


def make_inputs(folder: Path, num_scans: int = 12) -> None:
    """Make what the tasks read: a cohort of squares, a trained network, scans and raw heads."""
    os.chdir(ROOT)
    simulate_squares_cohort(folder / "squares", (32, 32), num_train=16, num_validation=8, num_test=8)
    numbers = {f"simulated_cohort#num_{split}": size for split, size in (("train", 16), ("validation", 8), ("test", 8))}
    (folder / "squares32.yaml").write_text(yaml.safe_dump({"image_size": [32, 32]} | numbers))
    ending = call(lambda: train(folder, folder / "trained"), folder / "trained.log")
    if ending.status:
        raise RuntimeError(f"the training of the tiny network failed:\n{ending.text}")
    (folder / "checkpoint.pt").write_bytes((folder / "trained" / "train" / "model.pt").read_bytes())
    random = np.random.default_rng(0)
    for number in range(num_scans):
        save(folder / "scans" / f"sub-{number:02d}_T1w.nii.gz", random.uniform(1, 2, (32, 32, 1)), 1.0)
    for number in range(8):
        save(folder / "heads" / f"sub-{number:02d}_T1w.nii.gz", random.uniform(1, 2, (40, 48, 40)), 4.0)


def save(path: Path, array: np.ndarray, edge: float) -> None:
    """Save a scan whose voxels have an edge in mm, with the world's origin in its middle and a border of zeros."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([edge, edge, edge, 1])
    affine[:3, 3] = -edge * np.array(array.shape) / 2
    array[[0, -1]] = array[:, [0, -1]] = 0
    nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), affine), path)


def train(folder: Path, output: Path) -> None:
    """Train the tiny network."""
    run("training", ["train", "squares"], dataset_dir=folder / "squares", output_dir=output, **TRAINING)


def explain(folder: Path, output: Path, **options: object) -> None:
    """Explain the scans with the tiny network."""
    chosen = {"dataset_dir": folder / "scans", "checkpoint": folder / "checkpoint.pt", **SMALL, "num_samples": 4} | options
    run("run", ["inference", "squares"], output_dir=output, overviews=False, pages=False, **chosen)


def simulate(output: Path) -> None:
    """Simulate squares in volumes."""
    sizes = {"simulated_cohort__num_train": 24, "simulated_cohort__num_validation": 8, "simulated_cohort__num_test": 8}
    grid = {"spatial_dims": 3, "image_size": "[64, 64, 64]"}
    run("listing", ["train", "squares"], dataset_dir=output / "cohort", output_dir=output, **grid, **sizes)


def list_tasks(folder: Path) -> list[Task]:
    """Return the commands that are cut.

    Args:
        folder: what `make_inputs` made.
    """
    heads = {"dataset_dir": folder / "heads", **RAW}
    return [
        Task("training", lambda output: train(folder, output), list_nothing, ("*/model.pt", "*/train.csv")),
        Task("inference", lambda output: explain(folder, output), list_explained),
        Task(
            "preparation",
            lambda output: run("run", ["prepare"], output_dir=output, **heads),
            list_prepared,
            ("*.nii.gz", "*.txt"),
        ),
        Task("simulation", simulate, list_simulated, ("cohort/*",)),
        Task("packing", lambda output: package.main(["--output_dir", str(output)]), lambda output: output.glob("*.zip")),
        Task("benchmark", lambda output: run_benchmark(folder, output), list_nothing, ("comparison.csv", "figures.csv")),
    ]


def list_nothing(_: Path) -> list[Path]:
    """Return the files of runs whose results are written anew as they go on."""
    return []


def run_benchmark(folder: Path, output: Path) -> None:
    """Compare two classifiers with each other on the squares."""
    overlay = folder / "benchmark.yaml"
    overlay.write_text((ROOT / "scripts" / "faults" / "benchmark.yaml").read_text().replace("FOLDER", str(folder)))
    run("benchmark", ["benchmark", str(overlay.with_suffix(""))], output_dir=output)


@contextmanager
def limit_memory(size: float = MEMORY_LIMIT) -> Iterator[None]:
    """Limit what the process may allocate beyond what it has, bytes."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (int(used + size), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
