"""Which scans to explain, and reading them such that a bad one does not stop the others."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from monai.data import Dataset, MetaTensor

from bundle.data.manifest import read_table
from bundle.data.scans import SUFFIXES, strip_suffix
from bundle.files import TEMPORARY_PREFIX, find_table, make_unique, unescape_name
from bundle.inference.postprocessing import IMAGES

FAILURE = "failure"  # key of an item with the reason why its scan cannot be explained
DONE = "done"  # key of an item whose scan was explained by an earlier run
PREPARED = "prepared.tsv"  # table of a cohort that configs/prepare.yaml made
OUTPUTS = (*IMAGES, "interpolation")  # endings of the files we write
NO_SCANS = ("mask", "dseg")  # words in the names of masks and label maps


def find_scans(dataset_dir: str | Path, split: str | None = None) -> list[dict[str, str]]:
    """List the scans of a folder or a table, or a single one.

    A folder that holds `prepared.tsv`, `manifest.tsv` or `participants.tsv`, or a file ending in `.tsv`, is read as a table with
    the column `image` (paths relative to the table). Of another folder all NIfTI files are taken, at any depth, except those
    that this bundle writes, and masks and label maps, by their names (`mask`, `dseg`). The same holds for a folder whose table
    has no such column, as that of a BIDS dataset.

    Args:
        dataset_dir: folder, table or NIfTI file.
        split: value of the table's column `split` to take; None for all rows.

    Returns:
        Items with `image` and `scan` (the path; of prepared scans that of the raw scan) and `name`, unique, which mirrors the
        folder's structure; prepared scans have `raw_image` and `transform` as well, failed ones `failure`.

    Raises:
        FileNotFoundError: When there is no such folder, table or file.
        ValueError: When there is no scan in it, or the table lacks a column or value.
    """
    source = Path(dataset_dir).expanduser().resolve()
    folder = source if source.is_dir() else source.parent
    if not source.is_dir() and not source.name.endswith((".tsv", *SUFFIXES)):
        raise FileNotFoundError(f"dataset_dir {source} does not exist: give a folder of NIfTI files or a .tsv table")
    table = source
    if source.is_dir():
        table = source / PREPARED if (source / PREPARED).is_file() else find_table(source)
    items = None
    if table.suffix == ".tsv" and (table == source or table.is_file()):
        items = _read_items(table, split, required=table == source or split is not None)
    if items is None:
        paths = _list_folder(source) if source.is_dir() else [source]
        items = [{"image": str(path), "scan": str(path)} for path in paths]
    if not items:
        raise ValueError(f"dataset_dir {source} holds no scan: accepted are files ending in {' or '.join(SUFFIXES)}")
    names = _name_scans([Path(item["image"]) for item in items], folder)
    return [{**item, "name": name} for item, name in zip(items, names, strict=True)]


def attempt(transform: Callable[[Any], Any], item: dict[str, Any]) -> dict[str, Any]:
    """Return a transformed item; when the transform fails, or has failed before, the item with the reason under `failure`.

    An item that is done stays as it is.

    Args:
        transform: dictionary transform.
        item: item of a data list.
    """
    if FAILURE in item or DONE in item:
        return item
    try:
        return transform(item)
    except Exception as raised:
        error: BaseException = raised
        while str(error).startswith("applying transform") and error.__cause__ is not None:  # what MONAI wraps around it
            error = error.__cause__
        return {**item, FAILURE: " ".join(str(error).split()) or type(error).__name__}


class ScanDataset(Dataset):
    """Items whose transforms may fail; those that do have the reason under the key `failure`.

    Args:
        data: items from `find_scans`.
        transform: the preprocessing.

    Attributes:
        done: positions of scans that an earlier run has explained; they are not read, and have the key `done`.
    """

    def __init__(self, data: Sequence[dict[str, Any]], transform: Callable[[Any], Any]) -> None:
        super().__init__(data, transform)
        self.done: set[int] = set()

    def _transform(self, index: int) -> dict[str, Any]:
        return attempt(self.transform, self.data[index] | ({DONE: True} if index in self.done else {}))


def load_scan(path: str | Path | None, preprocessing: Callable[[Any], Any]) -> MetaTensor | None:
    """Read a single scan, such as the reference scan of exemplar maps.

    Args:
        path: its file; None for no scan.
        preprocessing: the network's preprocessing, which takes items with the key `image`.

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


def _read_items(table: Path, split: str | None, required: bool) -> list[dict[str, str]] | None:
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
    items = []
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    for index, row in zip(rows.index, records, strict=True):
        if row.get("status") == "failed":  # when it was prepared
            raw = str(row.get("raw_image"))
            items.append({"image": raw, "scan": raw, FAILURE: str(row.get("message"))})
            continue
        if row["image"] is None:
            raise ValueError(f"{table} names no image in line {index + 2}: accepted is a path in every row")
        item = {"image": unescape_name(str(table.parent / str(row["image"])))}
        if row.get("raw_image") and row.get("transform"):  # the way back to the raw scan
            item |= {key: unescape_name(str(table.parent / str(row[key]))) for key in ("raw_image", "transform")}
        items.append({**item, "scan": item.get("raw_image", item["image"])})
    return items


def _list_folder(folder: Path) -> list[Path]:
    """Return the NIfTI files below a folder in the order of their names, without masks and our own outputs."""
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


def _name_scans(paths: Iterable[Path], folder: Path) -> list[str]:
    """Return paths relative to the folder, or bare names of files elsewhere, without suffixes; _2, _3, ... make them unique."""
    names = []
    for path in paths:
        inside = path.is_relative_to(folder) and ".." not in path.parts
        names.append(strip_suffix(str(path.relative_to(folder) if inside else path.name)).replace("_desc-prepared", ""))
    return make_unique(names, "_")
