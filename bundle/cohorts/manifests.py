"""The end of every reader: the manifest checked, counted, and on request written."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bundle.cohorts.counts import count_scans, format_counts
from bundle.cohorts.exclusions import Omissions
from bundle.cohorts.leakage import check_leakage
from bundle.data.manifest import PATHS
from bundle.files import write_atomically

logger = logging.getLogger(__name__)
COLUMNS = ("participant_id", "session_id", "label", "split", "image", "pair", "age", "sex", "diagnosis")
LEFT_OUT = "left_out"  # of `manifest.attrs`: participant_id, session_id and reason of each omission


def finish_manifest(
    scans: pd.DataFrame, cohort: str, class_names: Sequence[str], omissions: Omissions, single_class: bool = False
) -> pd.DataFrame:
    """Check the table of a cohort, log its counts, and bring it into the form of `bundle.data.read_manifest`.

    Args:
        scans: Rows with at least participant_id, label, split and image (absolute path).
        cohort: Its name, for the counts.
        class_names: Name of each class, in the order of the labels.
        omissions: What was left out.
        single_class: Whether a cohort without some of the classes is accepted.

    Returns:
        One row a scan, sorted by participant; labels are integers, missing values NaN. `attrs["left_out"]` lists omissions.

    Raises:
        ValueError: When there is no scan, a class is missing in training or validation, or a scan or participant is on both sides
            of a split.
    """
    check_any(scans, cohort, omissions)
    scans = omissions.drop(scans, scans["split"].isna(), "not in the table of splits")
    check_any(scans, cohort, omissions)
    order = [*(name for name in COLUMNS if name in scans), *(name for name in scans if name not in COLUMNS)]
    manifest = scans[order].reset_index(drop=True).assign(label=scans["label"].astype(int).to_numpy())
    manifest = manifest.dropna(axis=1, how="all")
    text = format_counts(count_scans(manifest, cohort, class_names), omissions.counts())
    logger.info("%d scans of %d participants\n%s", len(manifest), manifest["participant_id"].nunique(), text)
    check_leakage(manifest)
    for split in ("train", "validation") if not single_class else ():
        shown = set(manifest.loc[manifest["split"] == split, "label"])
        absent = [f"{label} {name}".strip() for label, name in enumerate(class_names) if label not in shown]
        if absent and (shown or split == "train"):
            raise ValueError(
                f"{cohort} has no scan of class {absent[0]} in the split {split}: every class needs some; left out: {omissions}"
            )
    manifest.attrs[LEFT_OUT] = list(omissions.rows)
    return manifest


def check_any(scans: pd.DataFrame, cohort: str, omissions: Omissions) -> None:
    """Refuse a table of which nothing is left.

    Args:
        scans: Its rows.
        cohort: Its name, for the message.
        omissions: What was left out, for the message.

    Raises:
        ValueError: When there is no row.
    """
    if scans.empty:
        raise ValueError(f"{cohort} has no scan that can be used; left out: {omissions}")


def write_manifest(manifest: pd.DataFrame, path: str | Path) -> Path:
    """Write a manifest, and beside it a table of what was left out, `<name>_left_out.tsv`; log counts that no reader has logged.

    `bundle.data.read_manifest` reads the manifest back as it is; paths are absolute, so the file may lie anywhere.

    Args:
        manifest: Table of a reader, or of `bundle.data.read_manifest`.
        path: Name ending in `.tsv`.

    Returns:
        The path.

    Raises:
        ValueError: When the name ends otherwise.
    """
    path = Path(path).expanduser().resolve()
    if path.suffix != ".tsv":
        raise ValueError(f"path must end in .tsv, got {path}")
    if LEFT_OUT not in manifest.attrs:
        logger.info("%d scans\n%s", len(manifest), format_counts(count_scans(manifest, path.parent.name, []), {}))
    left_out = pd.DataFrame(manifest.attrs.get(LEFT_OUT, []), columns=["participant_id", "session_id", "reason"])
    for table, name in ((manifest, path), (left_out, path.with_name(f"{path.stem}_left_out.tsv"))):
        with write_atomically(name) as temporary:
            table.to_csv(temporary, sep="\t", index=False, na_rep="n/a")
    logger.info("Wrote %s: to train on exactly these splits, give its folder as dataset_dir", path)
    return path


def absolute_paths(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Make the paths of a table absolute.

    Args:
        table: Rows with some of the columns that hold paths.
        folder: What its paths are relative to.

    Returns:
        The table.
    """
    columns = [name for name in PATHS if name in table]
    return table.assign(**{name: table[name].map(lambda value: str(folder / value), na_action="ignore") for name in columns})
