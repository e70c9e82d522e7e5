"""Processes that may be killed, each alone with its job, and that do not outlive the one that started them."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for_any
from typing import Any

import SimpleITK as sitk  # noqa: N813  # its own documentation calls it so
import torch

PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def run_in_processes(function: Callable[..., Any], jobs: Sequence[tuple], num_workers: int) -> Iterator[tuple[int, Any]]:
    """Call a function with the arguments of each job, in processes of one thread each.

    A process that is killed, for its memory or by somebody, costs the job that it was at, and no other: as it cannot be told
    which one of those in work it was, each of these is done once more, alone.

    Args:
        function: What is called; it and its arguments and results can be pickled.
        jobs: Arguments of each call.
        num_workers: Processes at a time.

    Yields:
        Number of the job, and its result, or None when its process was killed while it was alone; in the order in which they
        are done.

    Raises:
        Exception: What the function raised.
    """
    waiting = list(range(len(jobs)))
    while waiting:
        suspects: list[int] = []
        yield from _run_until_killed(function, jobs, waiting, suspects, num_workers)
        for index in suspects:
            alone: list[int] = []
            yield from _run_until_killed(function, jobs, [index], alone, 1)
            if alone:
                yield index, None


def _run_until_killed(
    function: Callable[..., Any], jobs: Sequence[tuple], waiting: list[int], suspects: list[int], num_workers: int
) -> Iterator[tuple[int, Any]]:
    """Do the jobs in `waiting`, which leave it when they begin; when a process is killed, leave those in work in `suspects`."""
    with ProcessPoolExecutor(num_workers, multiprocessing.get_context("spawn"), _start_worker) as executor:
        working: dict[Future, int] = {}
        while (waiting or working) and not suspects:
            try:
                while waiting and len(working) < num_workers:  # no more than can be in work: these alone are suspects
                    working[executor.submit(function, *jobs[waiting[0]])] = waiting[0]
                    waiting.pop(0)
            except BrokenProcessPool:
                pass  # those in work say so themselves
            if not working:
                return
            for job in wait(working, return_when=FIRST_COMPLETED).done:
                if isinstance(job.exception(), BrokenProcessPool):
                    suspects.append(working.pop(job))
                else:
                    yield working.pop(job), job.result()
        for job, index in working.items():  # finished before the kill, or broken by it
            if isinstance(job.exception(), BrokenProcessPool):
                suspects.append(index)
            else:
                yield index, job.result()


def _start_worker() -> None:
    """Let a process use one core, and end with the process that started it."""
    _end_with_parent()
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def _end_with_parent() -> None:
    """End this process when its parent ends, however that is.

    The kernel does it on Linux, at once. Elsewhere, and where the kernel was too late, a thread does it, as soon as a step that
    holds Python's lock is over.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_wait_for_end_of_parent, daemon=True).start()


def _wait_for_end_of_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_any([parent.sentinel])
        os._exit(1)
