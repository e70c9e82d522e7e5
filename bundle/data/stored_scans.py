"""Scans that stream from a store on disk."""

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from monai.data import Dataset
from monai.transforms import Compose, Transform
from monai.transforms.traits import RandomizableTrait
from tqdm import tqdm

from bundle.data.caches import check_scans, log_warnings
from bundle.data.samplers import note_seed, seed_draw
from bundle.data.signatures import RecordScansd
from bundle.data.stores import About, ScanStore, find_identity
from bundle.errors import find_cause, write_in_line
from bundle.files import check_writable, remove_leftovers
from bundle.workers import KILLED, Workers

LOCK = "store.lock"
FEW = 64  # scans that are written in this process: others take seconds to start

logger = logging.getLogger(__name__)


class StoredScans(Dataset):
    """Scans of a store, which holds them after the part of the transform that is not random; what it lacks is written first.

    Reads on when a scan cannot be read, and logs what is doubtful, as `CachedScans` does. Each scan is read from disk when it is
    asked for, so that memory does not grow with the cohort.

    Args:
        data: entries of a data list.
        transform: the preprocessing and augmentation.
        folder: folder of the store.
        dtype: type of the scans there, see `ScanStore`.
        workers: where scans are written; None for as many processes here as there are cores, where much is to be written.

    Attributes:
        reasons: a sentence for each scan that cannot be used, by its position.
        warnings: scans and sentences on what is doubtful about them.

    Raises:
        OSError: When the scans cannot be written.
    """

    def __init__(
        self,
        data: Sequence[Mapping[str, Any]],
        transform: Compose,
        folder: str | Path,
        dtype: str = "float16",
        workers: Workers | None = None,
    ) -> None:
        super().__init__(data, transform)
        self.first_random = transform.get_index_of_first(
            lambda each: isinstance(each, RandomizableTrait) or not isinstance(each, Transform)
        )
        steps = transform.transforms[: self.first_random]
        self.store = ScanStore(folder, steps, dtype)
        self.paths = [self.store.locate(item) for item in data]
        self.reasons: dict[int, str] = {}
        self.workers = workers or Workers()
        check_writable(self.store.folder, "store_dir")
        with wait_for(self.store.folder / LOCK):  # the other ranks wait, and find all written
            abouts = self._complete()
        self.warnings = [warning for about in abouts for warning in about.warnings]
        log_warnings(self.warnings, len(data))
        for record in (each for each in steps if isinstance(each, RecordScansd)):
            record.found.update(signature for about in abouts for signature in about.signatures)

    def _transform(self, index: int) -> Any:
        check_scans([self])
        seed_draw(self.transform, index)
        try:
            item = self.store.read(self.paths[index])
        except ValueError as error:
            item = self._mend(index, error)
        return note_seed(item if self.first_random is None else self.transform(item, start=self.first_random), index)

    def _complete(self) -> list[About]:
        """Write what is missing, and return what the files of all usable scans say."""
        replaced, others = self.store.list_others(self.paths)
        remove_leftovers(self.paths)
        found = {index: self.store.read_about(path) for index, path in enumerate(self.paths)}
        missing = [index for index, about in found.items() if about is None]
        self.store.write_settings()
        self._report(missing, replaced, others)
        if missing:
            found |= self._write(missing)
        for path in replaced:  # a training that still reads one ends with a sentence: its scan has changed; see `_mend`
            path.unlink(missing_ok=True)
        return [about for about in found.values() if about is not None]

    def _report(self, missing: Sequence[int], replaced: Sequence[Path], others: int) -> None:
        """Log what is there, what is written, and what else the store holds."""
        folder, damaged = self.store.folder, sum(self.paths[index].exists() for index in missing)
        changed = len({find_identity(path) for path in replaced})
        reasons = f"{changed} changed, {damaged} damaged, {len(missing) - changed - damaged} new"
        done = f"{len(missing)} are written: {reasons}" if missing else "all are there"
        logger.info("%d scans stream from %s, where %s", len(self.paths), folder, done)
        if others:
            logger.info("%s also holds %d scans that are not in this cohort's split", folder, others)
        for path, names in self.store.list_other_settings().items():
            size = write_size(sum(file.stat().st_size for file in path.glob("*.npz")) / 1e6)
            logger.info("%s has scans of other settings (%s), %s: remove it when no run needs it", path, ", ".join(names), size)

    def _write(self, missing: Sequence[int]) -> dict[int, About | None]:
        """Write scans, and return what their files say; of those that cannot be read there is a reason."""
        jobs = [(self.store, self.data[index], self.paths[index]) for index in missing]
        outcomes = self.workers.run(write_scan, jobs, FEW)
        found: dict[int, About | None] = {}
        for number, outcome in tqdm(outcomes, total=len(jobs), desc="writing scans", unit="scan"):
            index = missing[number]
            if isinstance(outcome, About):
                if not any(found.values()):
                    self._check_room(outcome.megabytes * (len(missing) - len(found)))
                found[index] = outcome
            else:
                found[index] = None
                self.reasons[index] = outcome or KILLED.format(self.data[index].get("image", "a scan"))
        return found

    def _check_room(self, megabytes: float) -> None:
        """Refuse a disk on which the scans that are still to be written have no room."""
        free = shutil.disk_usage(self.store.folder).free / 1e6
        if megabytes > free:
            smaller = "" if self.store.dtype.itemsize == 2 else ", or store_dtype float16"
            raise OSError(
                f"{self.store.folder} needs {write_size(megabytes)} more and its disk has {write_size(free)}:"
                f" give another store_dir, or make room there{smaller}"
            )

    def _mend(self, index: int, error: ValueError) -> dict[str, Any]:
        """Write a scan anew whose file is absent or damaged, and return it.

        Raises:
            ValueError: When the scan itself is not what it was any more.
        """
        path = self.paths[index]
        if self.store.locate(self.data[index]) != path:
            raise ValueError(f"{error}, and its scan has changed since: start the same command again") from error
        logger.warning("%s: it is written anew", error)
        outcome = write_scan(self.store, self.data[index], path)
        if isinstance(outcome, str):
            raise ValueError(outcome) from error
        return self.store.read(path)


def write_size(megabytes: float) -> str:
    """Return a size with three digits and its unit, from kB to TB."""
    power, unit = next((each for each in ((6, "TB"), (3, "GB"), (0, "MB")) if megabytes >= 10 ** each[0]), (-3, "kB"))
    return f"{megabytes / 10**power:.3g} {unit}"


@contextmanager
def wait_for(path: Path) -> Iterator[None]:
    """Hold a lock while the block runs; where another process has it, log that, and wait. That of a killed process is free."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("Another process writes scans to %s: waiting for it", path.parent)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def write_scan(store: ScanStore, item: Mapping[str, Any], path: Path) -> About | str:
    """Preprocess and write a scan.

    Args:
        store: where to.
        item: its entry of a data list.
        path: its file.

    Returns:
        What the file says, or a sentence on why the scan cannot be used.

    Raises:
        OSError: When the file cannot be written.
    """
    try:
        prepared = store.prepare(item)
    except Exception as error:  # whatever is wrong with a scan, the others are written
        return write_in_line(find_cause(error))
    return store.write(prepared, path)
