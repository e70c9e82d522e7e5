"""What an evaluation that was stopped has already computed."""

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from bundle.files import write_atomically
from bundle.ranks import is_first, share_work

FOLDER = "progress"  # in that of the evaluation, until it is complete
Item = TypeVar("Item")

logger = logging.getLogger(__name__)


class Share(Protocol):
    """Computes each of several items, as `bundle.ranks.share_work`."""

    def __call__(self, items: Sequence[Item], compute: Callable[[Item], Any], name: str = "", unit: str = "scan") -> list[Any]:
        """Return the results of all items."""


class Progress:
    """Keeps the results of finished batches, so that an evaluation which was stopped goes on with the rest.

    Results are in the types of JSON, in numbers of double precision. Results of the same work have the same place whenever they
    are asked for, in the order of the calls, and whatever the number of processes.

    Args:
        folder: folder of the evaluation.
        fingerprint: of all that decides the results; those of others are left alone.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder, self.fingerprint = folder / FOLDER / fingerprint, fingerprint
        self._calls = 0

    def share_work(
        self,
        items: Sequence[Item],
        compute: Callable[[Item], Any],
        name: str = "",
        unit: str = "scan",
        reused: Callable[[Any], bool] = lambda _: True,
    ) -> list[Any]:
        """Compute each item in one of the processes, but those that are done, and return all results in every process.

        Args:
            items: what is computed from.
            compute: makes a result, in the types of JSON and of NumPy, of an item.
            name: what the progress bar says; empty for none.
            unit: what an item is, for the bar.
            reused: whether the result of an item that is done is enough; else it is computed once more.
        """
        self._calls += 1
        paths = [self.folder / f"{self._calls:02d}-{number:06d}.json" for number in range(len(items))]
        done = sum(path.is_file() for path in paths)
        if done and is_first():
            logger.info("Going on: %d of %d are done of %s", done, len(items), name or "this part")

        find = partial(_find_result, compute=compute, reused=reused)
        return share_work(list(zip(paths, items, strict=True)), find, name, unit)

    def remove(self) -> None:
        """Remove what is kept, as the evaluation is complete."""
        shutil.rmtree(self.folder.parent, ignore_errors=True)


def _find_result(place: tuple[Path, Item], compute: Callable[[Item], Any], reused: Callable[[Any], bool]) -> Any:
    """Return the result of an item from its file, or compute and write it."""
    path, item = place
    if path.is_file() and reused(result := json.loads(path.read_text())):
        return result
    text = json.dumps(compute(item), default=_to_number)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary:
        temporary.write_text(text)
    return json.loads(text)  # the same whether it is read or computed


def _to_number(value: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in a table")
