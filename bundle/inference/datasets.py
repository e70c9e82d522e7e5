"""Which scans to explain, and reading them such that a bad one does not stop the others."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from monai.data import Dataset, MetaTensor

from bundle.data.manifest import read_table
from bundle.data.scans import SUFFIXES
from bundle.files import TEMPORARY_PREFIX, find_table
from bundle.inference.postprocessing import IMAGES

FAILURE = "failure"  # key of an item that says why its scan cannot be explained
PREPARED = "prepared.tsv"  # table of a cohort that configs/prepare.yaml made
OUTPUTS = (*IMAGES, "interpolation")  # endings of the files we write
NO_SCANS = ("mask", "dseg")  # words in the names of masks and label maps


def find_scans(dataset_dir: str | Path, split: str | None = None) -> list[dict[str, str]]:
    """List the scans of a folder or a table, or a single one.

    A folder that holds `prepared.tsv`, `manifest.tsv` or `participants.tsv`, or a file ending in `.tsv`, is read as a table with
    the column `image` (paths relative to the table). Of another folder all NIfTI files are taken, at any depth, except those
    that this bundle writes, and masks and label maps, by their names (`mask`, `dseg`); so it is with a folder whose table has no
    such column, as that of a BIDS dataset. Prepared scans carry where they come from; those that failed say so.

    Args:
        dataset_dir: Folder, table or NIfTI file.
        split: Value of the table's column `split` to take; None for all rows.

    Returns:
        Items with `image` and `scan` (the path; of prepared scans that of the raw scan) and `name`, unique, which mirrors the
        folder's structure; prepared scans have `raw_image` and `transform` as well, failed ones `failure`.

    Raises:
        FileNotFoundError: When there is no such folder, table or file.
        ValueError: When there is no scan in it, or the table lacks a column or value.
    """
    source = Path(dataset_dir).expanduser().resolve()
    if not source.is_dir() and not source.name.endswith((".tsv", *SUFFIXES)):
        raise FileNotFoundError(f"dataset_dir {source} does not exist: give a folder of NIfTI files or a .tsv table")
    table = _find_table(source)
    folder = source if source.is_dir() else source.parent
    items = None if table is None else _items_of_table(table, split, required=table == source or split is not None)
    if items is None:
        paths = _paths_of_folder(source) if source.is_dir() else [source]
        items = [{"image": str(path), "scan": str(path)} for path in paths]
    if not items:
        raise ValueError(f"dataset_dir {source} holds no scan: accepted are files ending in {' or '.join(SUFFIXES)}")
    names = _unique(_name_of(Path(item["image"]), folder) for item in items)
    return [{**item, "name": name} for item, name in zip(items, names, strict=True)]


def attempt(transform: Callable[[Any], Any], item: dict[str, Any]) -> dict[str, Any]:
    """Apply a transform to an item; when it fails, return the item with the reason under the key `failure`.

    Args:
        transform: Dictionary transform.
        item: Item of a data list; one that has already failed is returned as it is.

    Returns:
        Transformed or failed item.
    """
    if FAILURE in item:
        return item
    try:
        return transform(item)
    except Exception as error:
        return {**item, FAILURE: _reason(error)}


class ScanDataset(Dataset):
    """Items whose transforms may fail; those that do say why under the key `failure`.

    Args:
        data: items from `find_scans`.
        transform: the preprocessing.
    """

    def __init__(self, data: Sequence[dict[str, Any]], transform: Callable[[Any], Any]) -> None:
        super().__init__(data, transform)

    def _transform(self, index: int) -> dict[str, Any]:
        return attempt(self.transform, dict(self.data[index]))


def load_scan(path: str | Path | None, preprocessing: Callable[[Any], Any]) -> MetaTensor | None:
    """Read a single scan, such as the reference scan of exemplar maps.

    Args:
        path: Its file; None for no scan.
        preprocessing: The network's preprocessing, which takes items with the key `image`.

    Returns:
        The network's input, shape (1, H, W[, D]), or None.

    Raises:
        ValueError: When the file holds no scan that the network takes.
    """
    if path is None:
        return None
    item = attempt(preprocessing, {"image": str(path)})
    if FAILURE in item:
        raise ValueError(item[FAILURE])
    return item["image"]


def _find_table(source: Path) -> Path | None:
    """Return the table that may list the scans, if there is one."""
    if not source.is_dir():
        return source if source.suffix == ".tsv" else None
    table = source / PREPARED if (source / PREPARED).is_file() else find_table(source)
    return table if table.is_file() else None


def _items_of_table(table: Path, split: str | None, required: bool) -> list[dict[str, str]] | None:
    """Return the scans that a table lists; None when it is not required to list any and has no column for them."""
    rows = read_table(table)
    if not required and "image" not in rows:
        return None
    needed = ["image"] if split is None else ["image", "split"]
    if absent := [name for name in needed if name not in rows]:
        raise ValueError(f"{table} lacks the column {absent[0]}: required here are {', '.join(needed)} (tab-separated)")
    if split is not None:
        rows = rows[rows["split"] == split]
        if rows.empty:
            raise ValueError(f"{table} has no row whose split is {split}")
    failed = rows["status"].eq("failed") if "status" in rows else rows["image"].isna() & False
    unnamed = rows.index[rows["image"].isna() & ~failed]
    if len(unnamed):
        raise ValueError(f"{table} names no image in line {int(unnamed[0]) + 2}: accepted is a path in every row")
    return [_item_of_row(row, table.parent) for row in rows.astype(object).where(rows.notna(), None).to_dict("records")]


def _item_of_row(row: dict[str, str | None], folder: Path) -> dict[str, str]:
    """Return one scan of a table; of a prepared one with the way back to the raw scan."""
    if row.get("status") == "failed":
        raw = str(row.get("raw_image"))
        return {"image": raw, "scan": raw, FAILURE: str(row.get("message"))}
    item = {"image": str(folder / str(row["image"]))}
    if row.get("raw_image") and row.get("transform"):
        item |= {"raw_image": str(folder / str(row["raw_image"])), "transform": str(folder / str(row["transform"]))}
    return {**item, "scan": item.get("raw_image", item["image"])}


def _paths_of_folder(folder: Path) -> list[Path]:
    """Return the NIfTI files below a folder in the order of their names."""
    endings = tuple(f"_{output}{suffix}" for output in OUTPUTS for suffix in SUFFIXES)
    return sorted(
        path
        for path in folder.rglob("*.nii*")
        if path.is_file()
        and path.name.endswith(SUFFIXES)
        and not path.name.endswith(endings)
        and not any(word in path.name for word in NO_SCANS)
        and not path.name.startswith(TEMPORARY_PREFIX)
    )


def _name_of(path: Path, folder: Path) -> str:
    """Return the path relative to the folder, or the bare name of a file elsewhere, without its suffix."""
    relative = path.relative_to(folder) if path.is_relative_to(folder) and ".." not in path.parts else Path(path.name)
    return str(relative).removesuffix(".gz").removesuffix(".nii").replace("_desc-prepared", "")


def _unique(names: Iterable[str]) -> list[str]:
    """Return the names, with _2, _3, ... appended to those that came before."""
    taken: dict[str, None] = {}
    for name in names:
        candidate, count = name, 1
        while candidate in taken:
            count += 1
            candidate = f"{name}_{count}"
        taken[candidate] = None
    return list(taken)


def _reason(error: BaseException) -> str:
    """Return what went wrong in one line, without what MONAI wraps around it."""
    while str(error).startswith("applying transform") and error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__
