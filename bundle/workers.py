"""Processes that may be killed, each alone with its job, and that do not outlive the one that started them."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky import BrokenProcessPool, ProcessPoolExecutor

PR_SET_PDEATHSIG = 1  # from linux/prctl.h
KILLED = "{}: its process was killed twice, the second time alone, perhaps for its memory: give more, or leave the scan out"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


def count_cores() -> int:
    """Return the cores that this process may use: those of its job or container, not of the machine."""
    return int(cpu_count())


def run_in_processes(function: Callable[..., Any], jobs: Sequence[tuple], num_workers: int) -> Iterator[tuple[int, Any]]:
    """Call a function with the arguments of each job, in processes of one thread each; all of it can be pickled.

    A process that is killed, for its memory or by somebody, costs the job that it was at, and no other. This job is done once
    more at the end, alone. An exception of the function ends it all.

    Yields:
        Number of the job, and its result, or None when its process was killed twice; in the order in which they are done.
    """
    killed = []
    for index, done, result in _run(function, dict(enumerate(jobs)), num_workers):
        if done:
            yield index, result
        else:
            killed.append(index)
    for index, _, result in _run(function, {index: jobs[index] for index in killed}, 1):
        yield index, result


def _run(function: Callable[..., Any], jobs: dict[int, tuple], num_workers: int) -> Iterator[tuple[int, bool, Any]]:
    """Yield number, whether it was done, and result of each job.

    One killed process ends a whole pool of joblib, with all jobs in work: each thread here has a pool of one process.
    """
    pools = [_start_pool() for _ in range(num_workers)]
    idle: SimpleQueue[int] = SimpleQueue()
    for number in range(num_workers):
        idle.put(number)

    def run(index: int) -> tuple[int, bool, Any]:
        """Return the position of a job, whether its process lived, and its result."""
        number = idle.get()
        try:
            return index, True, pools[number].submit(function, *jobs[index]).result()
        except BrokenProcessPool:
            pools[number] = _start_pool()
            return index, False, None
        finally:
            idle.put(number)

    try:
        yield from Parallel(num_workers, backend="threading", return_as="generator_unordered")(map(delayed(run), jobs))
    finally:
        for pool in pools:
            pool.shutdown(kill_workers=True)


def _start_pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, initializer=_end_with_parent, initargs=(os.getpid(),), env=dict.fromkeys(THREADS, "1"))


def _end_with_parent(parent: int) -> None:
    """End this process when its parent ends: on Linux at once, elsewhere when a step that holds Python's lock is over."""

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=wait, daemon=True).start()
