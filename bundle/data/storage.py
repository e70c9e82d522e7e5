"""Whether the scans of a training are kept in memory or stream from disk."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from monai.transforms import Compose

from bundle.data.caches import CachedScans
from bundle.data.formats import has_suffix
from bundle.data.stored_scans import StoredScans
from bundle.data.stores import DTYPES
from bundle.ranks import gather
from bundle.workers import Workers

PLACES = ("auto", "memory", "disk")
METADATA = 1e5  # bytes beside the voxels of an image in memory: its header, and a trace of each transform; of 20,000 slices
MEMINFO, OWN_GROUP, GROUPS = Path("/proc/meminfo"), Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")

logger = logging.getLogger(__name__)


class Storage(NamedTuple):
    """Where scans are kept after their preprocessing.

    Attributes:
        on_disk: whether they stream from disk.
        folder: folder of the store there.
        dtype: type of the scans' intensities.
        workers: where the store is written.
    """

    on_disk: bool
    folder: Path
    dtype: str
    workers: Workers


def choose_storage(
    data_in: str,
    data: Sequence[Sequence[Mapping[str, Any]]],
    spatial_size: Sequence[int],
    memory_share: float,
    store_dir: str | Path,
    store_dtype: str = "float16",
    workers: Workers | None = None,
) -> Storage:
    """Choose where the scans of a training are kept, in all processes of a run alike, and log it.

    Args:
        data_in: "memory", "disk", or "auto" for memory where the scans fit into a share of what is free, on every machine.
        data: data lists of all scans that are kept.
        spatial_size: voxels of a preprocessed image along each axis.
        memory_share: share of the free memory, in (0, 1]; the processes of one machine that torchrun starts share it.
        store_dir: folder of the store on disk.
        store_dtype: type of the scans there, "float16" or "float32".
        workers: where it is written; None for as many processes of this machine as there are cores.

    Raises:
        ValueError: When a value is none of these.
    """
    if data_in not in PLACES:
        raise ValueError(f"data_in must be {', '.join(PLACES[:-1])} or {PLACES[-1]}, got {data_in}")
    if store_dtype not in DTYPES:
        raise ValueError(f"store_dtype must be {' or '.join(DTYPES)}, got {store_dtype}")
    if not 0 < memory_share <= 1:
        raise ValueError(f"memory_share must be above 0 and at most 1, got {memory_share}")
    needed = estimate_bytes(data, spatial_size)
    free = find_free_memory()
    allowed = memory_share * free / int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    on_disk = any(gather(data_in == "disk" or (data_in == "auto" and needed > allowed)))
    logger.info(
        "%s (data_in %s): in memory they take about %.3g GB, of %.3g GB that are free, %.3g GB are theirs (memory_share)",
        f"Scans stream from {store_dir}" if on_disk else "Scans are kept in memory",
        data_in, *(number / 1e9 for number in (needed, free, allowed)),
    )  # fmt: skip
    return Storage(on_disk, Path(store_dir), store_dtype if on_disk else "float32", workers or Workers())


def hold_scans(
    data: Sequence[Mapping[str, Any]], transform: Compose, storage: Storage, name: str, num_workers: int = 1
) -> CachedScans | StoredScans:
    """Return the scans of a data list as a dataset, after the part of the transform that is not random.

    Args:
        data: entries of a data list.
        transform: preprocessing and augmentation.
        storage: where the scans are kept.
        name: subfolder of the store on disk.
        num_workers: threads that read scans into memory.
    """
    if storage.on_disk:
        return StoredScans(data, transform, storage.folder / name, storage.dtype, storage.workers)
    return CachedScans(data, transform, num_workers=num_workers)


def estimate_bytes(data: Sequence[Sequence[Mapping[str, Any]]], spatial_size: Sequence[int]) -> float:
    """Return the memory that preprocessed scans take, in single precision, bytes.

    Args:
        data: data lists, whose entries name files of images.
        spatial_size: voxels of a preprocessed image along each axis.
    """
    images = sum(isinstance(value, str) and has_suffix(value) for items in data for item in items for value in item.values())
    return images * (4 * float(np.prod(spatial_size)) + METADATA)


def find_free_memory() -> float:
    """Return the memory that this process can still have, bytes: what is free, and on Linux allowed by its control group (v2).

    Batch systems limit jobs by such groups, which psutil does not look at. Elsewhere it is half of what the machine has.
    """
    if not MEMINFO.is_file():
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
    free = float(lines["MemAvailable"].split()[0]) * 1024
    own = [line[3:].lstrip("/") for line in OWN_GROUP.read_text().splitlines() if line.startswith("0::")]
    for group in (group for name in own for group in (GROUPS / name, *(GROUPS / name).parents)):
        limit, used = group / "memory.max", group / "memory.current"
        if limit.is_file() and (allowed := limit.read_text().strip()).isdigit():
            free = min(free, float(allowed) - float(used.read_text()))
    return max(free, 0.0)
