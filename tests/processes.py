"""Python in processes of their own, forked from one that has imported MONAI, which takes seconds."""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONTEXT: Any = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
CONTEXT.set_forkserver_preload(["monai.bundle", "monai.apps", "scipy.stats", "SimpleITK", "skimage.metrics", "tensorboard"])


class PythonProcess:
    """A process of Python with the arguments of its command line: `-m MODULE ...`, `-c CODE ...` or `SCRIPT ...`.

    Its methods are those of `subprocess.Popen`; what it writes to both streams is one text.
    """

    def __init__(self, arguments: list[object], folder: Path = ROOT, output: Path | None = None, **variables: str) -> None:
        self.output = output or Path(tempfile.mkdtemp(), "output.log")
        self.output.touch()
        environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | variables
        words = [str(word) for word in arguments]
        self.process = CONTEXT.Process(target=execute, args=(words, folder, dict(environment), self.output))
        self.process.start()
        self.pid: int = self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self) -> int | None:
        self.process.join()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.process.terminate()

    def communicate(self, timeout: float = 600) -> tuple[str, None]:
        """Wait for its end, and return what it wrote."""
        self.process.join(timeout)
        if self.process.is_alive():
            self.process.kill()
            raise TimeoutError(self.output.read_text())
        return self.output.read_text(errors="replace"), None


def run_python(arguments: list[object], folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess:
    """Run Python to its end; both streams are in `stdout`."""
    process = PythonProcess(arguments, folder, **variables)
    output = process.communicate()[0]
    return subprocess.CompletedProcess(arguments, process.poll() or 0, output)


def execute(words: list[str], folder: Path, environment: dict[str, str], output: Path) -> None:
    """Do in this process what Python does with a command line; what is imported already stays."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.orig_argv = [sys.executable, *words]
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    try:
        if words[0] == "-m":
            sys.argv, sys.path[:0] = words[1:], [str(folder), *paths]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        elif words[0] == "-c":
            sys.argv, sys.path[:0] = ["-c", *words[2:]], [str(folder), *paths]
            exec(words[1], {"__name__": "__main__"})
        else:
            sys.argv, sys.path[:0] = words, [str(Path(words[0]).parent), *paths]
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit:
        raise
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]  # there is an error
        sys.exit(1)
    finally:
        atexit._run_exitfuncs()
