"""Time of computations side by side, and the largest memory of one."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

KIBIBYTE = 2**10


def time_interleaved(work: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Return the median time of computations that take turns, so that what else the machine does meets all of them, CPU seconds.

    Args:
        work: computations by name.
        rounds: how often each is timed; a first time, which warms up, does not count.
    """
    times: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, compute in work.items():
            begin = time.process_time()
            compute()
            if number:
                times[name].append(time.process_time() - begin)
    return {name: statistics.median(values) for name, values in times.items()}


def fit_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return e of the power law values ~ sizes^e, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def find_peak() -> float:
    """Return the largest resident memory that this process has had, MiB; Linux alone has it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / KIBIBYTE


def measure_memory(task: str, **settings: Any) -> float:
    """Return by how much a computation, done twice, raises the largest memory of a process of its own, MiB.

    Args:
        task: name of the computation, as `benchmark.py memory_of` takes it.
        settings: its settings, in the types of JSON.
    """
    script = Path(__file__).parents[1] / "benchmark.py"
    command = [sys.executable, "-W", "ignore", str(script), "memory_of", task, json.dumps(settings)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table in Markdown, numbers with three digits."""
    texts = [[f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    for line in ([*columns], ["---"] * len(columns), *texts):
        print(f"| {' | '.join(line)} |", flush=True)
    print()
