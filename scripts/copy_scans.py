"""Copy some test scans of a cohort into a folder, to have scans to explain.

Usage: python scripts/copy_scans.py DATASET_DIR FOLDER [NUMBER]
"""

import shutil
import sys
from pathlib import Path

from bundle.data import datalist, read_manifest


def copy_scans(dataset_dir: str, folder: str, number: int = 6) -> None:
    """Copy the first and the last test scans of a cohort under the names of their subjects.

    Args:
        dataset_dir: folder of the cohort.
        folder: where to copy to; made when absent.
        number: how many to copy; half of them from either end of the table.
    """
    items = datalist(read_manifest(dataset_dir), "test", keys=["participant_id", "image"])
    Path(folder).mkdir(parents=True, exist_ok=True)
    for item in [*items[: number // 2], *items[len(items) - (number - number // 2) :]]:
        shutil.copyfile(item["image"], Path(folder) / f"{item['participant_id']}_T2w.nii.gz")


if __name__ == "__main__":
    copy_scans(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
