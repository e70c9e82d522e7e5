"""The table of a cohort: which scans there are, of which class, in which split."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from bundle.data.ages_and_dates import read_ages
from bundle.data.discovery import is_dead
from bundle.data.formats import has_suffix
from bundle.data.participants import find_torn, warn_of_namesakes
from bundle.data.tables import find_line, find_name, read_header, read_table, show_columns, show_sheets, show_values
from bundle.files import TABLE_SUFFIXES, find_table, locate

SPLITS = ("train", "validation", "test")
REQUIRED = ("participant_id", "label", "split", "image")
PATHS = ("image", "mask", "brain_mask", "effect", "parcel_map", "control_image", "disease_image", "disease_map", "regions")
NUMBERS = ("age", "target_age")  # years
OTHERS = ("anatomy", "parcels", "session_id", "sex", "pair", "diagnosis", "class_name")
NAMES = {name: (name,) for name in (*REQUIRED, *PATHS[1:], *NUMBERS, *OTHERS)}

logger = logging.getLogger(__name__)


def read_manifest(dataset_dir: str | Path, num_classes: int | None = None) -> pd.DataFrame:
    """Read and check the table of a cohort with one row a scan: `manifest.tsv` if there is one, else `participants.tsv`.

    An age that cannot be read counts as missing, with a warning: where ages are needed, a scan without one is refused.

    Args:
        dataset_dir: Folder of the cohort, or its table.
        num_classes: Number of classes, K; None to take it from the labels.

    Returns:
        One row a scan; labels are integers, paths absolute, missing values NaN.

    Raises:
        FileNotFoundError: When folder, table or a file named in it is absent.
        ValueError: When the table lacks a column, or a row is wrong, contradicts another or repeats it.
    """
    path = find_table(dataset_dir)
    if path.parent.is_file():
        raise ValueError(f"dataset_dir {path.parent} is no table: save it as a file ending in {', '.join(TABLE_SUFFIXES)}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"dataset_dir {path.parent} does not exist: give a folder that holds {path.name}")
    if not path.exists() and not path.is_symlink():
        sheets = show_sheets(path.parent)
        raise FileNotFoundError(f"{path} does not exist: dataset_dir must be a folder that holds {path.name}{sheets}")
    if locate(dataset_dir) != path:
        _warn_unused(path)
    manifest = read_table(path, NAMES)
    _check_columns(manifest, path)
    manifest = read_splits(manifest, path)
    manifest = read_values(manifest, path).assign(label=read_labels(manifest, path, num_classes))
    _check_classes(manifest, path, num_classes)
    _check_repeats(manifest, path)
    check_paths(manifest, path)
    warn_of_namesakes(manifest)
    return check_pairs(manifest, path)


def read_listed(source: Path, table: Path | None = None, required: bool = False) -> tuple[Path, pd.DataFrame] | None:
    """Read the table that lists the scans of a folder, or is itself given.

    Args:
        source: Folder, table or scan.
        table: Table of a folder; None for its manifest or table of participants.
        required: Whether a folder's table must list scans.

    Returns:
        Path of the table, and its rows with the column `image`, as text. None for a scan, a folder without table, and one
        whose table has no such column; of the last there is a warning.

    Raises:
        ValueError: When a given or required table has no column `image`.
    """
    path = (table or find_table(source)) if source.is_dir() else source
    if has_suffix(path):
        return None
    if not (path.exists() or path.is_symlink()):
        _warn_unused(path, used=False)
        return None
    rows = read_table(path, NAMES)
    if "image" in rows:
        if source.is_dir():
            _warn_unused(path)
        return path, rows
    reason = f"lacks the column image: its columns are {show_columns(list(rows))}"
    if required or not source.is_dir():
        raise ValueError(f"{path} {reason}")
    logger.warning("%s is not used, as it %s; scans are looked for in its folder", path, reason)
    _warn_unused(path, used=False)
    return None


def check_images(rows: pd.DataFrame, path: Path) -> None:
    """Refuse rows of a table, read from `path`, of which one names no image: a `ValueError`."""
    if rows["image"].isna().any():
        line = find_line(path, int(rows.index[rows["image"].isna()][0]))
        raise ValueError(f"{path} names no image in line {line}: accepted is a path in every row")


def datalist(
    manifest: pd.DataFrame, split: str, keys: Sequence[str] | None = None, required: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return the scans of a split as a MONAI data list.

    Args:
        manifest: Table from `read_manifest`.
        split: "train", "validation" or "test".
        keys: Keys of every item, and no others; None for all that its row has a value for.
        required: Keys of every item, whichever others it has.

    Returns:
        Items with `image` (path), `label`, `participant_id`, and where present the other columns.

    Raises:
        ValueError: When the split is unknown or has no scan, or an item has no value for a key.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    rows = manifest[manifest["split"] == split]
    if rows.empty:
        raise ValueError(f"the cohort's table has no row whose split is {split}")
    columns = [name for name in (*REQUIRED, *PATHS[1:], *NUMBERS, *OTHERS) if name in rows and name != "split"]
    items = [{key: row[key] for key in columns if not pd.isna(row[key])} for row in rows.to_dict("records")]
    for item in items:
        if absent := [key for key in (*(keys or ()), *required) if key not in item]:
            raise ValueError(
                f"the cohort's table gives {item['participant_id']} in the split {split} no {absent[0]}, which is needed here"
            )
    return items if keys is None else [{key: item[key] for key in keys} for item in items]


def check_files(paths: Iterable[str], source: str | Path) -> None:
    """Refuse a list of files of which some are absent.

    Args:
        paths: Files.
        source: Table that names them, for the message.

    Raises:
        FileNotFoundError: When a file is absent; the message has the first and their number.
    """
    absent = [path for path in paths if not Path(path).is_file()]
    if dead := [path for path in absent if is_dead(path)]:
        raise FileNotFoundError(f"{source} names links to files that are not there ({len(dead)}, first: {dead[0]}): fetch them")
    if absent:
        found = f"a file that does not exist, {absent[0]}"
        if len(absent) > 1:
            found = f"{len(absent)} files that do not exist, the first is {absent[0]}"
        raise FileNotFoundError(f"{source} names {found}")


def check_paths(table: pd.DataFrame, path: str | Path) -> None:
    """Refuse a table, read from `path`, that names absent files: a `FileNotFoundError`."""
    check_files((value for name in PATHS if name in table for value in table[name].dropna()), path)


def read_splits(table: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """Return a table, read from `path`, with splits in lower case; others than train, validation and test: a `ValueError`."""
    splits = table["split"].str.lower()
    unknown = table[~splits.isin(SPLITS)]
    if len(unknown):
        row = unknown.iloc[0]
        raise ValueError(f"{path} puts {row['participant_id']} in the split {row['split']!r}: accepted are {', '.join(SPLITS)}")
    return table.assign(split=splits)


def check_pairs(manifest: pd.DataFrame, path: str | Path) -> pd.DataFrame:
    """Refuse a pair of which one scan does not name the other.

    Args:
        manifest: Rows with `participant_id`, and where present `session_id` and `pair`.
        path: Their table, for the message.

    Returns:
        The manifest itself.

    Raises:
        ValueError: When one is found.
    """
    if "pair" not in manifest or manifest["pair"].isna().all():
        return manifest
    if "session_id" not in manifest:
        raise ValueError(f"{path} has a column pair but none of sessions: accepted is session_id beside it")
    pairs = {(row["participant_id"], row["session_id"]): row["pair"] for row in manifest.to_dict("records")}
    for (participant, session), pair in pairs.items():
        if not pd.isna(pair) and (pair == session or pairs.get((participant, pair)) != session):
            raise ValueError(f"{path} pairs {session} of {participant} with {pair}, but not {pair} with {session}")
    return manifest


def read_values(table: pd.DataFrame, path: Path, strict: bool = False) -> pd.DataFrame:
    """Return a table of text, read from `path`, with ages in numbers and absolute paths.

    An age that cannot be read is a `ValueError` with `strict`, else missing, with a warning.
    """
    paths = {name: table[name].map(lambda value: str(path.parent / value), na_action="ignore") for name in PATHS if name in table}
    return table.assign(**paths, **{name: read_ages(table, name, path, strict) for name in NUMBERS if name in table})


def read_labels(table: pd.DataFrame, path: str | Path, num_classes: int | None) -> pd.Series:
    """Return the column `label` of a table, text without gaps, as integers.

    Args:
        table: Rows with `participant_id` and `label`.
        path: Their table, for the message.
        num_classes: Number of classes, K; None for the number of different labels, at least 2.

    Raises:
        ValueError: When a label is no integer from 0 to K - 1.
    """
    whole = table["label"].str.replace(r"[.,]0+$", "", regex=True)  # as R and Excel write integers
    good = whole.str.fullmatch("[0-9]+").astype(bool)
    numbers = whole.where(good).astype(float)
    count = num_classes or max(numbers.nunique(), 2)  # without gaps
    good &= numbers < count
    if not good.all():
        row = table[~good].iloc[0]
        accepted = f"integers from 0 to {count - 1}" + ("" if num_classes else ", K - 1 for K classes, without gaps")
        found = f"{row['label']!r}: accepted are {accepted}; it has {show_values(table['label'])}"
        hint = "classes with names, or counted from 1: configs/data/folder.yaml with manifest#classes, see docs/cohorts.md"
        raise ValueError(f"{path} gives {row['participant_id']} the label {found}; {hint}")
    return whole.astype(int)


def fingerprint(manifest: pd.DataFrame) -> str:
    """Return a hash of the scans that a training learns from and is validated on, with their classes.

    Args:
        manifest: Table from `read_manifest`.

    Returns:
        The first 16 digits of a SHA-256; it does not depend on the order of the rows or on where the cohort lies.
    """
    used = manifest[manifest["split"].isin(["train", "validation"])]
    columns = [name for name in ("participant_id", "session_id", "label", "split", "age") if name in used]
    rows = sorted(repr([str(row[name]) for name in columns]) for row in used.to_dict("records"))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def _warn_unused(path: Path, used: bool = True) -> None:
    """Warn of tables beside one that lists the scans (`used`) under its name, or else of those with a column `image`."""
    with suppress(OSError):
        tables = [other for other in sorted(path.parent.iterdir()) if other.suffix.lower() in TABLE_SUFFIXES and other != path]
        unused = [other for other in tables if (other.stem.lower() == path.stem.lower() if used else _lists_images(other))]
        if unused:
            names = " and ".join(other.name for other in unused)
            logger.warning("%s also holds %s, not used: to use a table, give its path as dataset_dir", path.parent, names)
    if not used and (sheets := show_sheets(path.parent, path.stem)):
        logger.warning("%s has no table that is used%s", path.parent, sheets)


def _lists_images(table: Path) -> bool:
    """Check whether a file is a table with a column `image`."""
    with suppress(OSError, ValueError):
        return find_name(read_header(table), NAMES["image"]) is not None
    return False


def _check_columns(manifest: pd.DataFrame, path: Path) -> None:
    """Refuse a table without a required column or value."""
    if absent := [name for name in REQUIRED if name not in manifest]:
        shown = show_columns(list(manifest))
        raise ValueError(f"{path} lacks the column {absent[0]}: required are {', '.join(REQUIRED)}; its columns are {shown}")
    for column in REQUIRED:
        empty = manifest[column].isna().to_numpy().nonzero()[0]
        if len(empty):
            name = manifest.fillna({"participant_id": "the scan"})["participant_id"].iloc[empty[0]]
            line = find_line(path, int(empty[0]))
            raise ValueError(f"{path} gives {name} in line {line} no {column}: accepted is a value in every row")


def _check_classes(manifest: pd.DataFrame, path: Path, num_classes: int | None) -> None:
    """Refuse a training or validation split, if there is one, without a scan of some class."""
    count = num_classes or int(manifest["label"].max()) + 1
    for split in ("train", "validation"):
        shown = set(manifest.loc[manifest["split"] == split, "label"])
        absent = [label for label in range(max(count, 2)) if label not in shown]
        if shown and absent:
            raise ValueError(f"{path} has no scan of class {absent[0]} in the split {split}: every class needs some")


def _check_repeats(manifest: pd.DataFrame, path: Path) -> None:
    """Refuse a subject in two splits, and a scan that is listed twice, by whatever path."""
    if torn := find_torn(manifest):
        raise ValueError(f"{path} puts {torn}: all scans of a subject belong in one")
    repeated = manifest[manifest["image"].map(lambda image: Path(image).resolve()).duplicated()]
    if len(repeated):
        raise ValueError(f"{path} lists {repeated['image'].iloc[0]} more than once: one row a scan is accepted")
