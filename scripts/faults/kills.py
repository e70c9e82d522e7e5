"""Runs that are killed, run out of disk or meet another: what they leave, and whether they go on."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from faults.results import find_finished, find_torn, hash_results
from faults.runs import Ending, Process, Task, call

SHARES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9)  # of the results' size that a disk has room for
ROOM = 64_000_000  # bytes, for everything


class Row(NamedTuple):
    """One row of the table.

    Attributes:
        fault: what was done.
        where: to what.
        tried: how often.
        good: how often it ended as it must.
        remark: what was measured, or the first thing that went wrong.
    """

    fault: str
    where: str
    tried: int
    good: int
    remark: str


class Reference(NamedTuple):
    """An undisturbed run.

    Attributes:
        ending: how it ended.
        results: hashes of its files.
        size: bytes of its files.
    """

    ending: Ending
    results: dict[str, str]
    size: int


def run_undisturbed(task: Task, folder: Path) -> Reference:
    """Run a task once without a fault."""
    output = folder / "reference"
    ending = call(lambda: task.work(output), folder / "reference.log")
    if ending.status:
        raise RuntimeError(f"{task.name} fails without a fault:\n{ending.text}")
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    return Reference(ending, hash_results(output, task.equal), size)


def kill_at_random(task: Task, reference: Reference, folder: Path, count: int, random: np.random.Generator, until: float) -> Row:
    """Kill a task at random times and start it again, until it is done; then begin anew.

    Args:
        task: what is killed.
        reference: its undisturbed run.
        folder: where it works.
        count: number of kills.
        random: draws the times.
        until: time of `time.monotonic` after which no further kill is tried.
    """
    kills, restarts, problems = 0, 0, []
    while kills < count and time.monotonic() < until:
        output, done = folder / f"killed-{restarts}", False
        finished: dict[str, int] = {}
        restarts += 1
        while not done:
            last = kills >= count or time.monotonic() > until
            seconds = float("inf") if last else float(random.uniform(0, 1.1 * reference.ending.seconds))
            ending = Process(lambda output=output: task.work(output), folder / "killed.log").kill_after(seconds)  # type: ignore[misc]
            kills += ending.status == -9
            done = ending.status != -9
            now = find_finished(output, task.list_finished)
            problems += find_torn(output)
            problems += [f"{name} was lost or made again" for name, written in finished.items() if now.get(name) != written]
            finished = now
            if done and ending.status:
                problems.append(ending.reason)
        problems += find_differences(output, task, reference)
    return Row("kill -9 at a random time", task.name, kills, kills - len(problems),
               problems[0] if problems else f"{restarts} runs, equal to the undisturbed one")  # fmt: skip


def find_differences(output: Path, task: Task, reference: Reference) -> list[str]:
    """Return the first difference of results from those of the undisturbed run, if there is one."""
    found = hash_results(output, task.equal)
    names = sorted(name for name in found.keys() | reference.results.keys() if found.get(name) != reference.results.get(name))
    return [f"{len(names)} results differ from those of the undisturbed run, the first is {names[0]}"] if names else []


def fill_disk(task: Task, reference: Reference, folder: Path) -> Iterator[Row]:
    """Run a task on disks that become full, or cannot be written to, and then again with room.

    Args:
        task: what is run.
        reference: its undisturbed run.
        folder: where disks are mounted.

    Yields:
        A row for full disks and one for a disk that cannot be written to.
    """
    problems: list[str] = []
    for share in SHARES:
        with mount_disk(folder / "disk", max(int(share * reference.size), 4096)) as disk:
            ending = call(lambda disk=disk: task.work(disk / "output"), folder / "disk.log")  # type: ignore[misc]
            problems += _find_problems(ending, disk / "output", f"disk of {share:.0%}")
            subprocess.run(["mount", "-o", f"remount,size={reference.size + ROOM}", disk], check=True)
            again = call(lambda disk=disk: task.work(disk / "output"), folder / "disk.log")  # type: ignore[misc]
            if again.status:
                problems.append(f"did not go on with room: {again.reason}")
            problems += find_differences(disk / "output", task, reference)
    yield _summarise("disk full", task.name, len(SHARES), problems, "one sentence; went on with room to equal results")
    with mount_disk(folder / "disk", ROOM) as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        ending = call(lambda: task.work(disk / "output"), folder / "disk.log")
        problems = _find_problems(ending, disk / "output", "read-only disk")
    yield _summarise("disk that cannot be written to", task.name, 1, problems, "one sentence")


@contextmanager
def mount_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a disk of so many bytes in memory, which needs the rights to do so.

    Args:
        folder: where it is mounted.
        size: its size, bytes.

    Yields:
        The folder.
    """
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def can_mount(folder: Path) -> bool:
    """Return whether this process may mount disks."""
    try:
        with mount_disk(folder / "disk", 4096):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def run_twice(task: Task, reference: Reference, folder: Path) -> Row:
    """Start a task twice at once in one folder: one does it, the other is refused or finds it done."""
    output, problems = folder / "twice", []
    processes = [Process(lambda: task.work(output), folder / f"twice-{number}.log") for number in range(2)]
    endings = [process.wait() for process in processes]
    problems += [ending.reason for ending in endings if not ending.is_sentence]
    problems += find_torn(output)
    refused = sum(ending.status != 0 for ending in endings)
    if refused == 2:
        problems.append("both were refused")
    problems += find_differences(output, task, reference)
    return _summarise("two runs at once in one folder", task.name, 1, problems, ["both ended", "one was refused"][refused % 2])


def _find_problems(ending: Ending, output: Path, name: str) -> list[str]:
    """Return what is wrong with a run that could not write."""
    problems = [f"{name}: {torn}" for torn in find_torn(output)]
    if ending.status == 0:
        problems.append(f"{name}: ended with status 0")
    if not ending.is_sentence:
        problems.append(f"{name}: {ending.reason}")
    return problems


def _summarise(fault: str, where: str, tried: int, problems: list[str], good: str) -> Row:
    return Row(fault, where, tried, max(tried - len(problems), 0), problems[0] if problems else good)
