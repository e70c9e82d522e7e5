"""Simulations that go on where an interrupted one has stopped."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bundle.files import check_writable, hold_folder, write_atomically

NOTES = ".progress"  # subfolder of what is not complete yet: the settings, and a file for each subject that is written

logger = logging.getLogger(__name__)


class Progress:
    """The subjects of a cohort that are completely written, and what its tables say of them.

    What was written with other settings is removed, and so is what an interrupted run left of a subject.

    Args:
        folder: Folder of the cohort while it is not complete.
        settings: What determines the cohort.
    """

    def __init__(self, folder: Path, settings: dict) -> None:
        self.folder = folder
        self._notes = folder / NOTES
        path, content = self._notes / "settings.json", json.dumps(settings)
        if not path.is_file() or path.read_text() != content:
            shutil.rmtree(folder, ignore_errors=True)
            with write_atomically(path) as temporary:
                temporary.write_text(content)
        self._records = {note.stem: json.loads(note.read_text()) for note in self._notes.glob("sub-*.json")}
        for other in [other for other in folder.iterdir() if other.name not in (NOTES, *self._records)]:
            shutil.rmtree(other) if other.is_dir() else other.unlink()

    def __getitem__(self, name: str) -> Any:
        """Return what the tables say of a subject that is written."""
        return self._records[name]

    def __contains__(self, name: str) -> bool:
        """Tell whether a subject is written."""
        return name in self._records

    def __len__(self) -> int:
        """Return the number of subjects that are written."""
        return len(self._records)

    def complete(self, name: str, write: Callable[[], Any]) -> Any:
        """Write a subject unless it is written, note that it is, and return what the tables say of it.

        Args:
            name: The subject, `sub-...`, whose files are in the subfolder of that name.
            write: Writes the files and returns what the tables say of the subject, in the types of JSON.

        Returns:
            What `write` returned, now or in the run that wrote the subject, as JSON gives it back.
        """
        if name not in self:
            content = json.dumps(write())
            with write_atomically(self._notes / f"{name}.json") as temporary:
                temporary.write_text(content)
            self._records[name] = json.loads(content)
        return self._records[name]

    def forget(self) -> None:
        """Remove the notes, so that nothing but the cohort is in the folder."""
        shutil.rmtree(self._notes)


@contextmanager
def continue_cohort(dataset_dir: Path, settings: dict) -> Iterator[Progress]:
    """Go on with a cohort in `<dataset_dir>.partial`, which becomes `dataset_dir` when the block ends without an error.

    When the block raises, the subjects that are complete stay for the next run with the same settings.

    Args:
        dataset_dir: Folder of the cohort; it must not exist, except as an empty folder.
        settings: What determines the cohort.

    Yields:
        What is written so far. Its notes must be forgotten before the block ends.

    Raises:
        FileExistsError: When `dataset_dir` exists and is not empty.
        ValueError: When another process is writing the cohort.
    """
    partial, lock = (dataset_dir.with_name(f"{dataset_dir.name}.partial{suffix}") for suffix in ("", ".lock"))
    check_writable(lock.parent, "dataset_dir")
    with hold_folder(partial, lock, "dataset_dir"):
        if dataset_dir.exists() and any(dataset_dir.iterdir()):
            raise FileExistsError(f"{dataset_dir} is not empty: give a new or an empty folder")
        progress = Progress(partial, settings)
        if len(progress):
            logger.info("Going on in %s, where %d subjects are written", partial, len(progress))
        try:
            yield progress
            os.replace(partial, dataset_dir)
        finally:
            if not len(progress):
                shutil.rmtree(partial, ignore_errors=True)
