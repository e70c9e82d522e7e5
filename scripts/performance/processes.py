"""Wall time of a training and of an inference by several processes, a core each."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from performance.ours import write_command

ROOT = Path(__file__).parents[2]
ITERATIONS, SCANS, MORE_SCANS = 40, 12, 48
COHORT = {
    "simulated_cohort#num_train": 64, "simulated_cohort#num_validation": 8, "simulated_cohort#num_test": 8,
    "simulated_cohort#num_unseen": 0,
}  # fmt: skip
TRAINING = {"epoch_length": ITERATIONS, "max_epochs": 2, "warmup_epochs": 0, "val_interval": 2}


def measure_processes(counts: list[int], rounds: int) -> list[tuple[str, list[float]]]:
    """Time the default training of slices, and the inference of volumes by the shipped network of conversion.

    Args:
        counts: numbers of processes, which take turns.
        rounds: how often each is timed.

    Returns:
        Name, and least seconds for each number of processes: of an iteration, from the first epoch, which has no validation; and
        of a scan, from what further scans add to an inference.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slices, volumes = folder / "slices", folder / "volumes"
        _run("listing", ["train"], 1, dataset_dir=slices, output_dir=folder / "list", **COHORT)
        sizes = {"simulated_cohort#num_train": MORE_SCANS, "simulated_cohort#num_validation": 2, "simulated_cohort#num_test": 2}
        cohort = {"dataset_dir": volumes, "output_dir": folder / "list", **sizes, "simulated_cohort#num_unseen": 0}
        _run("listing", ["train", "volumes", "conversion"], 1, **cohort)
        scans = [str(path) for path in sorted(volumes.rglob("*_T1w.nii.gz"))]
        training, inference = [], []
        for turn in range(rounds):
            training.append([_time_training(slices, folder / f"t{turn}-{count}", count) for count in counts])
            inference.append([_time_inference(scans, folder / f"i{turn}-{count}", count) for count in counts])
    best = [[min(column) for column in zip(*turns, strict=True)] for turns in (training, inference)]
    return [("iteration of slices, batch 8", best[0]), ("inference of a volume, 4 draws", best[1])]


def _time_training(cohort: Path, folder: Path, count: int) -> float:
    """Return seconds of an iteration."""
    keys = {"dataset_dir": cohort, "output_dir": folder, **TRAINING, **COHORT}
    _run("training", ["train"], count, **keys)
    return float(pd.read_csv(folder / "train" / "train.csv")["seconds"][0]) / ITERATIONS


def _time_inference(scans: list[str], folder: Path, count: int) -> float:
    """Return seconds of a scan."""
    seconds = []
    for number in (SCANS, MORE_SCANS):
        listed = folder / f"{number}.csv"
        listed.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"image": scans[:number]}).to_csv(listed, index=False)
        begin = time.perf_counter()
        keys = {"dataset_dir": listed, "output_dir": folder / str(number), "num_samples": 4, "pages": False}
        _run("evaluating", ["inference", "volumes", "conversion"], count, **keys)
        seconds.append(time.perf_counter() - begin)
    return (seconds[1] - seconds[0]) / (MORE_SCANS - SCANS)


def _run(entry: str, files: list[str], count: int, **keys: Any) -> None:
    """Run an entry point of configs by processes of one thread each."""
    overlay = {"training": "multi_gpu_train", "evaluating": "multi_gpu_inference"}
    names = [*files, *([overlay[entry]] if count > 1 else [])]
    start = ["-m", "bundle.launch", "--standalone", "--nproc_per_node", str(count)] if count > 1 else []
    command = [sys.executable, "-W", "ignore", *start, *write_command(entry, names, keys)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
