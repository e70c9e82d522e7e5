"""Start the processes of a run, as torchrun does, and end with one sentence when one of them has died.

Arguments are those of torchrun: python -m bundle.launch --standalone --nproc_per_node 2 -m monai.bundle run training ...
"""

import logging
import signal
import sys
from collections.abc import Sequence

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from bundle.errors import INTERRUPTED


def launch(arguments: Sequence[str]) -> int:
    """Start processes and wait until they have ended; when one fails, the others are ended.

    Args:
        arguments: those of torchrun.

    Returns:
        The exit status: 0, that of the process which failed first, or 128 and the number of the signal that ended it.
    """
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # its report of a failure is a page
    try:
        run.main(list(arguments))
    except SignalException as error:
        print(f"\n{INTERRUPTED}", file=sys.stderr, flush=True)
        return 128 + int(error.sigval)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode > 0:  # it has said why
            return failure.exitcode
        reason = signal.Signals(-failure.exitcode).name
        hint = " (often for want of memory)" if reason == "SIGKILL" else ""
        print(
            f"Error: process {rank} was ended by {reason}{hint}, and all others with it: what is complete stays, and the same"
            " command goes on from there",
            file=sys.stderr,
            flush=True,
        )
        return 128 - failure.exitcode
    return 0


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
