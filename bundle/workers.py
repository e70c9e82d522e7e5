"""Where jobs are done that need no GPU: in processes of this machine, or by the workers of a Dask scheduler.

Each job is alone in its process, which may be killed, and which does not outlive the one that started it.
"""

import ctypes
import hashlib
import logging
import os
import pickle
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky import BrokenProcessPool, ProcessPoolExecutor

from bundle.ranks import is_first

PR_SET_PDEATHSIG = 1  # from linux/prctl.h
KILLED = "{}: its process was killed twice, the second time alone, perhaps for its memory: give more, or leave the scan out"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
SCHEMES = ("tcp://", "tls://")  # of addresses of schedulers
BATCH = 1000  # jobs that a scheduler is sent at once

logger = logging.getLogger(__name__)
own = threading.local()  # of a Dask worker: each of its threads has a pool of one process


@dataclass(frozen=True)
class Workers:
    """Where jobs are done: in processes of this machine, or by the workers of a Dask scheduler.

    Args:
        num_workers: processes of this machine, each with one thread; 0 for none beside this one, None for as many as there are
            cores.
        scheduler: address of a Dask scheduler, such as tcp://node1:8786, whose workers do the jobs; None for this machine.
        timeout: seconds that the scheduler has to answer.

    Raises:
        ValueError: When a value is none of these.
    """

    num_workers: int | None = None
    scheduler: str | None = None
    timeout: float = 30.0

    def __post_init__(self) -> None:
        if self.num_workers is not None and not (isinstance(self.num_workers, int) and self.num_workers >= 0):
            raise ValueError(f"num_workers must be null, 0 or a whole number above, got {self.num_workers}")
        if self.scheduler is not None and not str(self.scheduler).startswith(SCHEMES):
            raise ValueError(f"scheduler must be null or an address such as tcp://node1:8786, got {self.scheduler}")
        if not self.timeout > 0:
            raise ValueError(f"workers#timeout must be above 0 s, got {self.timeout}")

    def check(self) -> None:
        """Ask the scheduler, if there is one, for an answer, before anything long begins; the first process of a run does.

        Raises:
            OSError: When it does not answer.
            ValueError: When Dask is not installed.
        """
        if self.scheduler is not None and is_first():
            self._connect().close()

    def count(self) -> int:
        """Return the number of processes of this machine."""
        return count_cores() if self.num_workers is None else self.num_workers

    def run(self, function: Callable[..., Any], jobs: Sequence[tuple], few: int = 0) -> Iterator[tuple[int, Any]]:
        """Call a function with the arguments of each job; all of it can be pickled.

        A process that is killed, for its memory or by somebody, costs the job that it was at, and no other. This job is done once
        more at the end, alone. A Dask worker that is lost costs the same. An exception of the function ends it all.

        Args:
            function: does a job.
            jobs: arguments of each.
            few: so many jobs or fewer are done in this process, where the number of processes is None.

        Yields:
            Number of the job, and its result, or None when its process was killed twice; in the order in which they are done.

        Raises:
            OSError: When the scheduler does not answer or is lost, or its workers cannot do the jobs, or have another version.
            ValueError: When there is a scheduler and Dask is not installed.
        """
        here = self.scheduler is None
        if here and (self.num_workers == 0 or (self.num_workers is None and len(jobs) <= few)):
            yield from ((index, function(*job)) for index, job in enumerate(jobs))
            return
        work = _work_here if here else self._work_there
        killed = []
        for index, done, result in work(function, dict(enumerate(jobs)), self.count()):
            if done:
                yield index, result
            else:
                killed.append(index)
        for number in killed:
            for index, _, result in work(function, {number: jobs[number]}, 1):
                yield index, result

    def _work_there(self, function: Callable[..., Any], jobs: dict[int, tuple], _: int) -> Iterator[tuple[int, bool, Any]]:
        """Yield number, whether it was done, and result of each job, by the workers of the scheduler."""
        if not jobs:
            return
        client = self._connect()
        from distributed import KilledWorker, as_completed
        from distributed.protocol.pickle import dumps

        folder, packed = str(Path.cwd()), [dumps((function, job)) for job in jobs.values()]
        futures: dict[Any, int] = {}
        try:
            client.run(import_module, __name__)  # a worker that lacks it would end at its first job
            settings = {"folder": folder, "code": fingerprint_code()}
            futures |= zip(client.map(_do_beside, packed, **settings, pure=False, batch_size=BATCH), jobs, strict=True)
            for future in as_completed(list(futures), loop=client.loop):
                try:
                    yield futures[future], *future.result()
                except KilledWorker:  # so many workers were lost with it as the scheduler allows
                    yield futures[future], False, None
        except CancelledError as error:
            raise OSError(f"scheduler {self.scheduler} was lost: start the same command again, and what is done stays") from error
        except ImportError as error:
            raise OSError(f"the workers of {self.scheduler} lack what this process has ({error}): start them as it") from error
        finally:
            client.cancel(list(futures))
            client.close()

    def _connect(self) -> Any:
        """Return a client of the scheduler."""
        try:
            from distributed import Client
        except ImportError as error:
            raise ValueError('scheduler needs Dask: pip install -c constraints.txt ".[cluster]"') from error
        try:
            client = Client(self.scheduler, timeout=self.timeout, set_as_default=False)
        except OSError as error:
            raise OSError(f"scheduler {self.scheduler} has not answered within {self.timeout:g} s") from error
        count = len(client.nthreads())
        logger.info("Workers of %s: %d%s", self.scheduler, count, "" if count else ", jobs wait until there is one")
        return client


def count_cores() -> int:
    """Return the cores that this process may use: those of its job or container, not of the machine."""
    return int(cpu_count())


def _work_here(function: Callable[..., Any], jobs: dict[int, tuple], num_workers: int) -> Iterator[tuple[int, bool, Any]]:
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


@cache
def fingerprint_code() -> str:
    """Return a hash of the source of this package, as it was when it was first asked for."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _do_beside(job: bytes, folder: str, code: str) -> tuple[bool, Any]:
    """Do a job in a process beside this Dask worker; return whether that was not killed, and the job's result.

    Such a kill costs no worker, and the worker answers its scheduler whatever a job does with Python's lock. A worker with other
    code, which might give other results, refuses the job.
    """
    if fingerprint_code() != code:
        place = f"{platform.node()} has another version of the bundle, {Path(__file__).parent}"
        raise OSError(f"the worker on {place}: start it in the environment and folder of the command")
    if not hasattr(own, "pool"):
        own.pool = _start_pool()
    try:
        return True, own.pool.submit(_do, job, folder).result()
    except BrokenProcessPool:
        del own.pool
        return False, None
    except AssertionError as error:  # of multiprocessing
        raise OSError("a Dask worker must be allowed to start processes: dask worker --no-nanny") from error


def _do(job: bytes, folder: str) -> Any:
    """Do a pickled job in the folder of whoever sent it, where its paths lead to the same files."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise OSError(f"{folder} is not on {platform.node()}: the workers of a scheduler share a file system") from error
    function, arguments = pickle.loads(job)
    return function(*arguments)


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
