"""UK Biobank's bulk files: archives and unpacked folders named <eid>_<field>_<instance>_<number>."""

import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tqdm import tqdm

from bundle.files import write_atomically

BULK_NAME = re.compile(r"^(\d+)_(\d+)_(\d+)_(\d+)(?:\.zip)?$")
UNUSABLE = "unusable"


class Bulk(NamedTuple):
    """An archive or folder of one participant and visit.

    Attributes:
        participant: eid.
        field: Field of the Showcase, such as "20252".
        instance: Visit, "2" for the first with imaging.
        path: Archive or folder.
        place: Its path relative to the cohort's folder.
    """

    participant: str
    field: str
    instance: str
    path: Path
    place: str


def find_bulks(dataset_dir: Path, field: str, leave_out: Path) -> list[Bulk]:
    """List the archives and unpacked folders of a field, at any depth; a folder comes before an archive of the same name.

    Args:
        dataset_dir: Folder to look in.
        field: Field of the Showcase.
        leave_out: Folder in which not to look, as extracted scans are there.

    Returns:
        Sorted by participant and visit.
    """
    found = []
    for root, folders, files in os.walk(dataset_dir):
        names = [name for name in [*folders, *files] if BULK_NAME.match(name)]
        for name in names:
            participant, of_field, instance, _ = BULK_NAME.match(name).groups()  # type: ignore[union-attr]
            if of_field == field and (name in folders or name.endswith(".zip")):
                path = Path(root) / name
                found.append(Bulk(participant, of_field, instance, path, path.relative_to(dataset_dir).as_posix()))
        folders[:] = sorted(folder for folder in folders if folder not in names and Path(root) / folder != leave_out)
    return sorted(found, key=lambda bulk: (bulk.participant, int(bulk.instance), bulk.path.suffix == ".zip", str(bulk.path)))


def check_name(scan: str) -> None:
    """Refuse the name of a scan that would lead out of its archive.

    Args:
        scan: Path inside archives and folders, such as `T1/T1.nii.gz`.

    Raises:
        ValueError: When it is absolute, has `..`, or is no NIfTI file.
    """
    path = PurePosixPath(scan)
    if path.is_absolute() or ".." in path.parts or not scan.endswith((".nii", ".nii.gz")):
        raise ValueError(f"scan must be the path of a NIfTI file inside the archives, such as T1/T1.nii.gz, got {scan}")


def find_reason(bulk: Bulk, scan: str) -> str | None:
    """Say why a scan cannot be had; None when it can.

    Args:
        bulk: Archive or folder.
        scan: Path of the scan inside it.

    Returns:
        A few words: unusable, without the file, or a damaged archive.
    """
    if UNUSABLE in bulk.place.lower():
        return f"marked {UNUSABLE}"
    try:
        names = list(_list_names(bulk.path))
    except (zipfile.BadZipFile, OSError):
        return "damaged archive"
    if scan in names:
        return None
    same = [name for name in names if PurePosixPath(name).name == PurePosixPath(scan).name]
    return f"marked {UNUSABLE}" if any(UNUSABLE in name.lower() for name in same) else f"without {scan}"


def locate_scan(bulk: Bulk, scan: str, extract_dir: Path) -> Path:
    """Return where a scan lies, or will lie when its archive has been extracted.

    Args:
        bulk: Archive or folder.
        scan: Path of the scan inside it.
        extract_dir: Folder of extracted scans.
    """
    return bulk.path / scan if bulk.path.suffix != ".zip" else extract_dir / bulk.path.stem / scan


def extract_scans(archives: Iterable[tuple[Path, Path]], scan: str) -> None:
    """Extract one file of each archive, once; a file is there completely or not at all.

    Args:
        archives: Archive and the path that its scan is written to.
        scan: Path of the scan inside the archives.

    Raises:
        ValueError: When an archive is damaged.
    """
    waiting = [(archive, target) for archive, target in archives if not target.is_file()]
    for archive, target in tqdm(waiting, desc="archives", disable=not waiting):
        try:
            with zipfile.ZipFile(archive) as content, content.open(scan) as source, write_atomically(target) as temporary:
                _copy(source, temporary)
        except (zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{archive} is damaged ({error}): get it again, or remove it to leave the scan out") from error


def _copy(source: IO[bytes], path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(source, file)


def _list_names(path: Path) -> Iterator[str]:
    """Yield the paths of the files of an archive or folder, relative to it."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as content:
            yield from content.namelist()
    else:
        yield from (file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
