"""Reader of the Human Connectome Project (HCP), https://www.humanconnectome.org: healthy young adults in MNI space."""

from pathlib import Path

import pandas as pd

from bundle.cohorts.classes import label_integers
from bundle.cohorts.columns import join_table, merge_repeats, read_columns, tidy_columns
from bundle.cohorts.exclusions import Exclusions
from bundle.cohorts.layouts import find_folder
from bundle.cohorts.manifests import finish_manifest
from bundle.cohorts.sessions import split_participants
from bundle.cohorts.splits import Splitting
from bundle.data.discovery import DEAD, is_dead
from bundle.data.manifest import PATHS, check_paths, read_splits

COHORT = "HCP"
CONTRASTS = ("T1w", "T2w")
COLUMNS = {
    "participant_id": ("participant_id", "Subject"),
    "label": ("label",),
    "split": ("split",),
    "sex": ("sex", "Gender"),
    "age": ("age", "Age_in_Yrs"),
    **{name: (name,) for name in PATHS},
}


def read_hcp(
    dataset_dir: str | Path,
    contrast: str = "T2w",
    scan: str = "MNINonLinear/{contrast}_restore_brain.nii.gz",
    brain_mask: str | None = "MNINonLinear/brainmask_fs.nii.gz",
    labels: str | Path | None = None,
    splitting: Splitting | None = None,
    num_classes: int | None = None,
) -> pd.DataFrame:
    """Read HCP: scans of healthy participants, and labels and masks where a table gives them.

    Without labels all scans are of class 0: enough for listing and for inference; training needs two classes.

    Args:
        dataset_dir: Folder that holds one folder a participant, such as 100307.
        contrast: "T1w" or "T2w".
        scan: Path of the scan in a participant's folder; {contrast} is replaced.
        brain_mask: Path of the brain mask on the scan's voxels; None for none. Participants without the file have none.
        labels: TSV or CSV with participant_id (or Subject), and any of label, split, sex (or Gender), age (or Age_in_Yrs),
            image, mask, and the other files of a manifest (paths relative to it); None for none.
        splitting: Splits participants when the table has no column `split`, or when it names a table; None for the default.
        num_classes: Number of classes of the network; training is refused when labels lack one of them.

    Returns:
        The manifest, as of `bundle.data.read_manifest`: one row a participant.

    Raises:
        FileNotFoundError: When the folder, the table or a file that it names is absent.
        ValueError: When the table is wrong, an option is unknown, or no scan is found.
    """
    if contrast not in CONTRASTS:
        raise ValueError(f"contrast must be {' or '.join(CONTRASTS)}, got {contrast!r}")
    folder, exclusions, splitting = find_folder(dataset_dir), Exclusions(COHORT), splitting or Splitting()
    scans = _find_scans(folder, scan.replace("{contrast}", contrast), brain_mask)
    scans = scans.assign(label=0) if labels is None else _join_table(scans, Path(labels).expanduser(), num_classes, exclusions)
    scans = exclusions.drop(scans, scans["image"].map(is_dead), DEAD)
    scans = exclusions.drop(scans, ~scans["image"].map(lambda path: Path(path).is_file()), f"without {contrast} scan")
    exclusions.check_any(scans)
    if "split" not in scans or splitting.table is not None:
        scans = split_participants(scans, splitting, "all", exclusions)
    count = max(num_classes or 2, int(scans["label"].max()) + 1)
    return finish_manifest(scans, [""] * count, exclusions, single_class=labels is None)


def _find_scans(folder: Path, scan: str, brain_mask: str | None) -> pd.DataFrame:
    """Return a row for each participant's folder, whether it has the scan or not."""
    rows = []
    for path in sorted(path for path in folder.iterdir() if path.is_dir() and path.name.isdigit()):
        mask = path / brain_mask if brain_mask else None
        there = mask is not None and mask.is_file()
        rows.append({"participant_id": path.name, "image": str(path / scan), "brain_mask": str(mask) if there else None})
    if not rows:
        raise ValueError(f"{folder} holds no participant: looked for folders named by a number, such as 100307")
    return pd.DataFrame(rows)


def _join_table(scans: pd.DataFrame, path: Path, num_classes: int | None, exclusions: Exclusions) -> pd.DataFrame:
    """Add the table's columns; its files take the place of those that were found."""
    table = merge_repeats(read_columns(path, COLUMNS, ["participant_id"]), ["participant_id"], path, exclusions)
    table = tidy_columns(table, path, strict="split" not in table)
    check_paths(table, path)
    joined = join_table(scans, table, ["participant_id"], exclusions, thing="folder")
    for name in (name for name in ("image", "brain_mask") if f"{name}_found" in joined):
        joined[name] = joined[name].fillna(joined.pop(f"{name}_found"))
    joined = joined.assign(label=joined.get("label", pd.Series("0", index=joined.index)))
    if "split" in joined:
        joined = read_splits(joined, path)
    return label_integers(joined, path, num_classes, exclusions)
