"""Time of computations side by side, and the largest memory of one."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE
from typing import Any, NamedTuple

import numpy as np

KIBIBYTE = 2**10


class Measurement(NamedTuple):
    """Median time of a computation, CPU seconds, and by how much it raises the largest memory of its process, MiB."""

    seconds: float
    memory: float


def measure_interleaved(work: Mapping[str, tuple[str, dict[str, Any]]], rounds: int) -> dict[str, Measurement]:
    """Time computations that take turns, each in a process of its own, so that what else the machine does meets all of them.

    Args:
        work: name of each, and task and settings of `benchmark.py repeat`; settings in the types of JSON.
        rounds: how often each is timed; a first time, which warms up, does not count.
    """
    script = Path(__file__).parents[1] / "benchmark.py"
    with ExitStack() as stack:
        processes = {}
        for name, (task, settings) in work.items():
            command = [sys.executable, "-W", "ignore", str(script), "repeat", task, json.dumps(settings)]
            processes[name] = stack.enter_context(subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True))
        turns = [[_take_turn(process) for process in processes.values()] for _ in range(rounds + 1)]
        for process in processes.values():
            process.communicate()
    medians = [statistics.median(turn[index].seconds for turn in turns[1:]) for index in range(len(work))]
    return {name: Measurement(seconds, last.memory) for name, seconds, last in zip(work, medians, turns[-1], strict=True)}


def repeat(compute: Callable[[], Any]) -> None:
    """Compute once for each line of standard input, and print a `Measurement` of it as JSON."""
    before = find_peak()
    for _ in sys.stdin:
        begin = time.process_time()
        compute()
        print(json.dumps(Measurement(time.process_time() - begin, find_peak() - before)), flush=True)


def _take_turn(process: subprocess.Popen) -> Measurement:
    assert process.stdin and process.stdout
    print(file=process.stdin, flush=True)
    while (line := process.stdout.readline()) and not line.startswith("["):  # what else the process prints
        continue
    if not line:
        raise RuntimeError(f"{' '.join(map(str, process.args))} has failed")  # type: ignore[arg-type]
    return Measurement(*json.loads(line))


def fit_exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return e of the power law values ~ sizes^e, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def find_peak() -> float:
    """Return the largest resident memory that this process has had, MiB; Linux alone has it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / KIBIBYTE


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table in Markdown, numbers with three digits."""
    texts = [[f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    for line in ([*columns], ["---"] * len(columns), *texts):
        print(f"| {' | '.join(line)} |", flush=True)
    print()
