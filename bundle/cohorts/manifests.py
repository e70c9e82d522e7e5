"""The end of every reader: the manifest checked, counted, and on request written."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bundle.cohorts.exclusions import Exclusions
from bundle.cohorts.leakage import check_leakage
from bundle.data.manifest import SPLITS
from bundle.data.participants import warn_of_namesakes
from bundle.files import announce, write_table

logger = logging.getLogger(__name__)
COLUMNS = ("participant_id", "session_id", "label", "split", "image", "pair", "age", "sex", "diagnosis")
NAMES = "class_name"
EXCLUSIONS = "exclusions"  # of `manifest.attrs`: participant_id, session_id and reason of each exclusion


def finish_manifest(
    scans: pd.DataFrame, class_names: Sequence[str], exclusions: Exclusions, single_class: bool = False
) -> pd.DataFrame:
    """Check the table of a cohort, log its counts, and bring it into the form of `bundle.data.read_manifest`.

    Args:
        scans: Rows with at least participant_id, label, split and image (absolute path).
        class_names: Name of each class, in the order of the labels.
        exclusions: What was excluded; `attrs["exclusions"]` of the manifest lists it.
        single_class: Whether a cohort without some of the classes is accepted.

    Raises:
        ValueError: When there is no scan, a class is missing in training or validation, or a scan or participant is on both sides
            of a split.
    """
    exclusions.check_any(scans)
    order = [*(name for name in COLUMNS if name in scans), *(name for name in scans if name not in COLUMNS)]
    manifest = scans[order].reset_index(drop=True).assign(label=scans["label"].astype(int).to_numpy())
    manifest = manifest.dropna(axis=1, how="all")
    if all(class_names) and NAMES not in manifest:
        manifest = manifest.assign(**{NAMES: manifest["label"].map(dict(enumerate(class_names)))})
    text = format_counts(count_scans(manifest, exclusions.cohort, class_names), exclusions.counts())
    logger.info("%d scans of %d participants\n%s", len(manifest), manifest["participant_id"].nunique(), text)
    check_leakage(manifest)
    warn_of_namesakes(manifest)
    for split in ("train", "validation") if not single_class else ():
        shown = set(manifest.loc[manifest["split"] == split, "label"])
        absent = [f"{label} {name}".strip() for label, name in enumerate(class_names) if label not in shown]
        if absent and (shown or split == "train"):
            raise ValueError(
                f"{exclusions.cohort} has no scan of class {absent[0]} in the split {split}: every class needs some;"
                f" excluded: {exclusions}"
            )
    manifest.attrs[EXCLUSIONS] = list(exclusions.rows)
    return manifest


def write_manifest(manifest: pd.DataFrame, path: str | Path) -> Path:
    """Write a manifest, and beside it a table of what was excluded, `<name>_exclusions.tsv`; log counts unless a reader has.

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
    if EXCLUSIONS not in manifest.attrs:
        logger.info("%d scans\n%s", len(manifest), format_counts(count_scans(manifest, path.parent.name, []), {}))
    exclusions = pd.DataFrame(manifest.attrs.get(EXCLUSIONS, []), columns=["participant_id", "session_id", "reason"])
    warn_of_small_splits(manifest)
    for table, name in ((manifest, path), (exclusions, path.with_name(f"{path.stem}_exclusions.tsv"))):
        write_table(name, table)
    announce(path.parent, {
        path.name: "one row a scan; to train on exactly these splits, give this folder as dataset_dir",
        f"{path.stem}_exclusions.tsv": "one row an exclusion, with its reason",
    })  # fmt: skip
    return path


def warn_of_small_splits(manifest: pd.DataFrame, least: int = 2) -> None:
    """Warn where validation or test have fewer participants of a class than an evaluation needs.

    Args:
        manifest: Table of a reader, or of `bundle.data.read_manifest`.
        least: Participants of each class that it needs.
    """
    for split in SPLITS[1:]:
        rows = manifest[manifest["split"] == split]
        counts = {
            label: rows.loc[rows["label"] == label, "participant_id"].nunique() for label in sorted(manifest["label"].unique())
        }
        if small := [f"{count} of class {label}" for label, count in counts.items() if count < least]:
            logger.warning(
                "The split %s has %s, and an evaluation needs %d participants of each class: it will leave out what is not"
                " possible; move some to it, or have the splits drawn (configs/data/folder.yaml), by folds where there are few",
                split, " and ".join(small), least,
            )  # fmt: skip


def count_scans(manifest: pd.DataFrame, cohort: str, class_names: Sequence[str]) -> pd.DataFrame:
    """Count participants and scans of each split and class, one row for each and then one for all.

    Ages are in years, mean and standard deviation over scans; sexes count participants.
    """
    parts = []
    for split in SPLITS:
        for label in range(max(len(class_names), int(manifest["label"].max()) + 1)):
            name = class_names[label] if label < len(class_names) else ""
            rows = manifest[(manifest["split"] == split) & (manifest["label"] == label)]
            parts.append((split, f"{label} {name}".strip(), rows))
    counts = []
    for split, name, rows in [*parts, ("all", "all", manifest)]:
        ages = rows["age"].astype(float) if "age" in rows else pd.Series(dtype=float)
        sexes = rows.drop_duplicates("participant_id").get("sex", pd.Series(dtype=object))
        counts.append({
            "cohort": cohort, "split": split, "class": name, "participants": rows["participant_id"].nunique(),
            "scans": len(rows), "age_mean": ages.mean(), "age_sd": ages.std(),
            "female": int((sexes == "F").sum()), "male": int((sexes == "M").sum()),
        })  # fmt: skip
    return pd.DataFrame(counts)


def format_counts(counts: pd.DataFrame, excluded: Mapping[str, int]) -> str:
    """Write counts from `count_scans`, and the number of excluded rows by reason, as several lines of text."""
    lines = [counts.to_string(index=False, na_rep="n/a", float_format="%.1f")]
    lines += ["excluded:"] if excluded else ["excluded: nothing"]
    return "\n".join([*lines, *(f"  {number:6d}  {reason}" for reason, number in excluded.items())])
