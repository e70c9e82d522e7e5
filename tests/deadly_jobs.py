"""Jobs that end the process they run in, and settings that do so for certain scans."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a process that imports nothing else starts at once
    from bundle.preprocessing import Settings


def square_or_die(number: int, deadly: tuple[int, ...], log: str) -> int:
    """Return the square of a number, or kill this process; note each call in a file."""
    with Path(log).open("a") as file:
        file.write(f"{number}\n")
    if number in deadly:
        time.sleep(0.2)  # so that another one is in work
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return number**2


def square_slowly(number: int, log: str) -> int:
    """Return the square of a number after half a second; note first the number and the process that started this one."""
    with Path(log).open("a") as file:
        file.write(f"{number} {os.getppid()}\n")
    time.sleep(0.5)
    return number**2


class DeadlySlices(int):
    """Least number of slices, which kills the process that compares a scan of `DEADLY` slices with it."""

    DEADLY = 17

    def __le__(self, other: object) -> bool:
        if other == self.DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__le__(other)  # type: ignore[operator]


class SlowSlices(int):
    """Least number of slices, which takes a minute to compare; the process notes its number first."""

    log = os.environ.get("LOG", os.devnull)

    def __le__(self, other: object) -> bool:
        Path(self.log).write_text(str(os.getpid()))
        time.sleep(60)
        return super().__le__(other)  # type: ignore[operator]


def prepare_slowly(raw: str, output: str, settings: "Settings") -> None:
    """Prepare scans in a process that takes long."""
    from bundle.preprocessing import CohortPreprocessing

    slow = replace(settings, limits=settings.limits._replace(num_slices=SlowSlices(2)))
    CohortPreprocessing(raw, output, slow).run()
