"""Which scans to explain, and reading them such that a bad one does not stop the others."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from monai.data import Dataset, MetaTensor

from bundle.data.bids import Derivative
from bundle.data.discovery import DEAD, find_scan_files, find_source, is_dead
from bundle.data.formats import strip_suffix
from bundle.data.layouts import PREPARED
from bundle.data.manifest import SPLITS, check_images, read_listed
from bundle.errors import write_in_line
from bundle.files import make_unique, unescape_name
from bundle.preprocessing.cohort import ENDINGS, CohortPreprocessing

FAILURE = "failure"  # key of an item with the reason why its scan cannot be explained
DONE = "done"  # key of an item whose scan was explained by an earlier run
TRUTHS = "disease_map", "mask"  # columns of a table; the first that a scan has

logger = logging.getLogger(__name__)


def find_scans(
    dataset_dir: str | Path, split: str | None = None, suffix: str | None = "T1w", derivative: Derivative | None = None
) -> list[dict[str, str]]:
    """List the scans of a folder or a table, or a single one.

    A folder that holds `prepared.tsv`, or else `manifest.tsv` or `participants.tsv` (or `.csv`, `.txt`, `.tab`), and a file of
    such an ending, is read as a table with the column `image` (paths relative to the table). Where a folder's table has no such
    column, as that of a BIDS dataset, a warning says so, and the scans of the folder are taken, as of a folder without table:
    see `bundle.data.discovery`. What is left out is logged. An image that a table lists again is left out with a warning.

    Args:
        dataset_dir: folder, table or scan.
        split: value of the table's column `split` to take; None for all rows.
        suffix: contrast that is taken of a BIDS or CAPS dataset; None, or "all", for every scan.
        derivative: what the results are a part of; None for the plain layout.

    Returns:
        Items with `image` and `scan` (the path; of prepared scans that of the raw scan) and `name`, unique, which is that of the
        scan and mirrors the structure of the folder, or of the BIDS dataset; prepared scans have `raw_image` and `transform` as
        well, failed ones `failure`. Where a table has the truth of a scan, its `mask` or `disease_map` is there, and as `truth`,
        with the `label` if known.

    Raises:
        FileNotFoundError: When there is no such folder, table or file.
        ValueError: When there is no scan in it, or the table lacks a column or value.
    """
    source = find_source(dataset_dir)
    folder = source if source.is_dir() else source.parent
    listed = read_listed(source, folder / PREPARED if (folder / PREPARED).is_file() else None, required=split is not None)
    if listed is None and split is not None:
        raise ValueError(f"dataset_dir {source} has no table: split takes rows of one")
    if listed is not None:
        items = _list_rows(*listed, split)
    else:
        items = [{"image": str(path)} for path in (find_scan_files(source, suffix) if source.is_dir() else [source])]
    items = [{"scan": item.get("raw_image", item["image"]), **item} for item in items]
    for item in items:
        if FAILURE not in item and is_dead(item["image"]):
            item[FAILURE] = f"{item['image']} is a {DEAD}"
    return [{**item, "name": name} for item, name in zip(items, _name_scans(items, folder, derivative), strict=True)]


def foresee_scans(preparation: CohortPreprocessing, derivative: Derivative | None = None) -> list[dict[str, str]]:
    """Return `scan` and `name` that `find_scans` gives raw scans when they are prepared.

    Args:
        preparation: what prepares them.
        derivative: as in `find_scans`.

    Raises:
        FileNotFoundError: When there is no such folder, table or file.
        ValueError: When there is no scan in it.
    """
    folder = preparation.output_dir
    items = [
        {"image": str(folder / f"{row['stem']}_{ENDINGS['image']}"), "raw_image": str(row["raw_image"])}
        for row in preparation.scans
    ]
    names = _name_scans(items, folder, derivative)
    return [{"scan": item["raw_image"], "name": name} for item, name in zip(items, names, strict=True)]


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
        return {**item, FAILURE: write_in_line(error)}


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


def _list_rows(table: Path, rows: pd.DataFrame, split: str | None) -> list[dict[str, str]]:
    """Return the scans that a table lists, those of one split or all."""
    if split is not None:
        rows = _select_split(table, rows, split)
    failed = rows.get("status", pd.Series(index=rows.index, dtype=object)) == "failed"  # when they were prepared
    check_images(rows[~failed], table)
    items, again, seen = list[dict[str, str]](), list[str](), set[Path]()
    for row in rows.astype(object).where(rows.notna(), None).to_dict("records"):
        if row.get("status") == "failed":
            items.append({"image": str(row.get("raw_image")), FAILURE: str(row.get("message"))})
            continue
        item = {"image": unescape_name(str(table.parent / str(row["image"])))}
        if Path(item["image"]).resolve() in seen:
            again.append(item["image"])
            continue
        seen.add(Path(item["image"]).resolve())
        if row.get("raw_image") and row.get("transform"):  # the way back to the raw scan
            item |= {key: unescape_name(str(table.parent / str(row[key]))) for key in ("raw_image", "transform")}
        elif found := next((key for key in TRUTHS if row.get(key)), None):
            truth = unescape_name(str(table.parent / str(row[found])))
            item |= {found: truth, "truth": truth} | ({"label": str(row["label"])} if str(row.get("label")).isdigit() else {})
        items.append(item)
    if again:
        logger.warning("%s lists %d images more than once (first: %s): each is explained once", table, len(again), again[0])
    return items


def _select_split(table: Path, rows: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows of a split, in whatever case it is written; others than the usual splits are counted in a warning."""
    if "split" not in rows:
        raise ValueError(f"{table} lacks the column split: required here are image, split")
    splits = rows["split"].astype("string").str.lower().fillna("n/a")
    unknown = rows[~splits.isin([*SPLITS, split.lower()])]
    if len(unknown):
        logger.warning("%s: %d rows are left out, as their split is none of %s (first: %r)", table, len(unknown),
                       ", ".join(SPLITS), unknown["split"].iloc[0])  # fmt: skip
    if not (splits == split.lower()).any():
        raise ValueError(f"{table} has no row whose split is {split}")
    return rows[splits == split.lower()]


def _name_scans(items: Sequence[dict[str, str]], folder: Path, derivative: Derivative | None) -> list[str]:
    """Return a name for each scan: its own, below the path of its folder relative to `folder`, or alone for files elsewhere.

    Prepared scans have the names of their raw ones, and in a derivative their places. Repeated names end in _2, _3, ...
    """
    names, base = [], derivative.base if derivative else folder
    for item in items:
        raw = Path(item.get("raw_image", item["image"]))
        path = raw if derivative else Path(item["image"]).with_name(raw.name)
        inside = path.is_relative_to(base) and ".." not in path.parts
        names.append(strip_suffix(str(path.relative_to(base) if inside else path.name)).replace("_desc-prepared", ""))
    unique = make_unique(names, "_")
    if changed := [(item["scan"], new) for item, name, new in zip(items, names, unique, strict=True) if new != name]:
        sentence = (
            "%d scans have the name of another one (first: outputs of %s are called %s): the table has scan and name of each"
        )
        logger.warning(sentence, len(changed), *changed[0])
    return unique
