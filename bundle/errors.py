"""How a command ends: errors of input and Ctrl-C are one sentence."""

import errno
import os
import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

PACKAGE = Path(__file__).resolve().parent
TRACEBACK_VARIABLE = "ICAM_TRACEBACK"  # set it to see the whole traceback of every error
INTERRUPTED = "Interrupted: what is complete stays, and the same command goes on from there"
INTERRUPT_STATUS = 130  # as shells have it: 128 and the number of the signal
PAUSE = 10.0  # seconds after which a process is the only one that has failed: else it has been ended by then
FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # of a disk that takes no file at all
LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")  # of PyTorch, where another process has ended
DISK_ERRORS = (*FULL_ERRORS, errno.EACCES)


def interrupt(*_: Any) -> None:
    """Interrupt the program at Ctrl-C; the next one ends it at once, as files are whole or absent and locks free however it ends.

    Raises:
        KeyboardInterrupt: Always.
    """

    def end(*_: Any) -> None:
        os.write(sys.stderr.fileno(), f"{INTERRUPTED}\n".encode())  # a buffer may be in use where the signal came
        os._exit(INTERRUPT_STATUS)

    signal.signal(signal.SIGINT, end)
    raise KeyboardInterrupt


def find_cause(error: BaseException) -> BaseException:
    """Return what an error was raised from: the first error of input among it and its causes, or else the last of them."""
    while error.__cause__ is not None and not isinstance(error, ValueError | OSError):
        error = error.__cause__
    return error


def write_in_line(error: BaseException) -> str:
    """Return the message of an error in one line; the name of its class where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def describe_failures(failed: int, total: int) -> str:
    """Return the beginning of a sentence on scans that failed, of all of a run."""
    if failed == total:
        return f"all {total} scans failed" if total > 1 else "the only scan failed"
    return f"{failed} of {total} scans failed, the others are done"


def show_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print errors that this package raised on purpose, and Ctrl-C, as one sentence, all others as Python does.

    Of the processes of one run that fail for the same reason, or because another has died, only one prints.

    Args:
        kind: class of the error.
        error: what was raised last; it and its causes are looked through, from the last to the first.
        trace: its traceback.

    Raises:
        SystemExit: After Ctrl-C, for the exit status.
    """
    first, alone = os.environ.get("RANK", "0") == "0", os.environ.get("WORLD_SIZE", "1") == "1"
    if issubclass(kind, KeyboardInterrupt) and not os.environ.get(TRACEBACK_VARIABLE):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends
        if alone:  # else whoever started the processes says it
            print(f"\n{INTERRUPTED}", file=sys.stderr, flush=True)
        raise SystemExit(INTERRUPT_STATUS)
    cause: BaseException | None = error
    while cause and not _is_meant_for_users(cause):
        cause = cause.__cause__ or cause.__context__
    if not (first and cause) and not alone:
        time.sleep(PAUSE)
    if not first:
        sys.stderr = sys.__stderr__  # it has written nothing else
    if cause and not os.environ.get(TRACEBACK_VARIABLE):
        if isinstance(cause, OSError) and cause.errno in DISK_ERRORS and cause.filename:
            print(f"Error: {cause.filename}: {str(cause.strerror).lower()}", file=sys.stderr)
        else:
            print(f"Error: {cause}", file=sys.stderr)
    elif not alone and any(sign in str(error) for sign in LOST) and not os.environ.get(TRACEBACK_VARIABLE):
        print(f"Error: process {os.environ.get('RANK', '0')} ends because another one has ended", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _is_meant_for_users(error: BaseException) -> bool:
    """Return whether this package raised an error itself, or it comes from a file that the package read."""
    if not isinstance(error, ValueError | OSError):
        return False
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:  # whoever wrote
        return True
    trace, files = error.__traceback__, []
    while trace is not None:
        files.append(Path(trace.tb_frame.f_code.co_filename).resolve())
        trace = trace.tb_next
    return any(PACKAGE in file.parents for file in (files if isinstance(error, OSError) else files[-1:]))
