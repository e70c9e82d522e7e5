"""Reader of any folder with a table: its columns and values are named by options."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bundle.cohorts.classes import check_number, label_ages, label_integers, label_values, name_classes
from bundle.cohorts.columns import merge_repeats, read_columns, tidy_columns
from bundle.cohorts.exclusions import Exclusions
from bundle.cohorts.layouts import find_folder
from bundle.cohorts.manifests import finish_manifest
from bundle.cohorts.sessions import choose_sessions, find_converters, sort_sessions, split_converters, split_participants
from bundle.cohorts.splits import Splitting
from bundle.data.discovery import DEAD, MAPS, find_reason, is_dead
from bundle.data.manifest import NUMBERS, OTHERS, PATHS, check_pairs, check_paths, read_splits
from bundle.data.participants import name_person
from bundle.data.tables import find_name, read_header, show_columns
from bundle.files import locate

COHORT = "folder"
KNOWN = tuple(dict.fromkeys(("participant_id", "session_id", "label", "split", *PATHS, *NUMBERS, *OTHERS, "diagnosis")))


def read_folder(
    dataset_dir: str | Path,
    table: str | Path = "participants.tsv",
    columns: Mapping[str, str] | None = None,
    classes: Sequence[Sequence[str]] | None = None,
    age_classes: Sequence[Sequence[float]] | None = None,
    image_pattern: str | None = None,
    held_out: str = "everyone",
    sessions: str = "all",
    splitting: Splitting | None = None,
    num_classes: int | None = None,
) -> pd.DataFrame:
    """Read a folder whose table lists participants or scans.

    Args:
        dataset_dir: Folder.
        table: Table in it, or elsewhere.
        columns: The table's name for each column of the manifest that it has under another name, such as
            {participant_id: Subject, label: Group, image: T1}.
        classes: Values of the column `label` in each class, such as [[control], [patient]]; None when it holds integers.
        age_classes: First and last age of each class in years, to be used in place of the column `label`.
        image_pattern: Where scans lie when the table has no column `image`, such as
            "{participant_id}/{session_id}/*_T1w.nii.gz".
        held_out: Who is validated and tested on where participants change class: "converters" or "everyone".
        sessions: "all" or "first" of each participant who does not change class.
        splitting: Splits participants when the table has no column `split`, or when it names a table; None for the default.
        num_classes: Number of classes of the network, for a check; None for none.

    Returns:
        The manifest, as of `bundle.data.read_manifest`: one row a scan.

    Raises:
        FileNotFoundError: When the folder, the table or a file other than a scan is absent.
        ValueError: When the table is wrong, an option is unknown, or too few scans are left.
    """
    folder, exclusions, splitting = find_folder(dataset_dir), Exclusions(COHORT), splitting or Splitting()
    path = locate(folder / Path(table).expanduser())
    required = [*([] if image_pattern else ["image"]), *(["age"] if age_classes is not None else [])]
    scans = _read_scans(path, columns or {}, required, splitting.table is None, exclusions)
    scans, names = _label(scans, path, classes, age_classes, num_classes, exclusions)
    history = scans
    scans = _find_images(scans, folder, path, image_pattern, exclusions)
    if age_classes is not None:  # a scan shows its age, whatever other ages there are
        history = scans
    if "split" in scans and splitting.table is None:
        scans = choose_sessions(sort_sessions(_part_pairs(read_splits(scans, path))), sessions, exclusions)
    elif find_converters(history) and "session_id" in scans:
        scans = split_converters(scans, history, splitting, held_out, sessions, exclusions)
    else:
        scans = split_participants(scans, splitting, sessions, exclusions)
    return finish_manifest(scans, names, exclusions)


def _read_scans(
    path: Path, columns: Mapping[str, str], required: Sequence[str], splitting: bool, exclusions: Exclusions
) -> pd.DataFrame:
    """Read the rows of the table under the manifest's names.

    Ages must be readable where classes are made of them, or splits (`splitting`, and the table has none).
    """
    if unknown := [name for name in columns if name not in KNOWN]:
        raise ValueError(f"columns names {unknown[0]}, which a manifest does not have: accepted are {', '.join(KNOWN)}")
    header = read_header(path)
    if absent := [name for name in columns.values() if find_name(header, [name]) is None]:
        raise ValueError(f"{path} lacks the column {absent[0]}, which columns names: it has {show_columns(header)}")
    aliases = {name: [columns.get(name, name)] for name in KNOWN}
    scans = read_columns(path, aliases, ["participant_id", *(name for name in required if name != "age")])
    scans = exclusions.drop(scans, scans["participant_id"].isna(), "without participant")
    keys = [name for name in ("participant_id", "session_id", "image") if name in scans]
    scans = merge_repeats(scans, keys, path, exclusions)
    tidy = tidy_columns(check_pairs(scans, path), path, strict="age" in required or (splitting and "split" not in scans))
    return tidy.assign(sex=tidy["sex"].fillna(scans["sex"])) if "sex" in scans else tidy


def _find_images(scans: pd.DataFrame, folder: Path, path: Path, pattern: str | None, exclusions: Exclusions) -> pd.DataFrame:
    """Find the scan of each row, and exclude rows without one; other files must be there."""
    if pattern is not None:
        scans = scans.assign(image=[_find_image(folder, pattern, row) for row in scans.to_dict("records")])
    scans = exclusions.drop(scans, scans["image"].map(lambda image: not pd.isna(image) and is_dead(image)).astype(bool), DEAD)
    there = scans["image"].map(lambda image: not pd.isna(image) and Path(image).is_file()).astype(bool)
    scans = exclusions.drop(scans, ~there, "in the table, without a scan")
    check_paths(scans, path)
    return scans


def _find_image(folder: Path, pattern: str, row: Mapping[str, object]) -> str | None:
    """Return the only scan that a pattern finds for a row, by the participant's name with or else without `sub-`."""
    person = name_person(row["participant_id"])
    for name in dict.fromkeys([str(row["participant_id"]), person, f"sub-{person}"]):
        try:
            wanted = pattern.format(**{**row, "participant_id": name})
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"image_pattern {pattern} names {error}: accepted in braces are columns of the table") from error
        try:
            paths = sorted(folder.glob(wanted))
        except (NotImplementedError, ValueError) as error:
            raise ValueError(f"image_pattern {wanted} is no pattern relative to dataset_dir ({error}): accepted is one such as"
                             " {participant_id}/anat/*_T1w.nii.gz") from error  # fmt: skip
        found = [path for path in paths if find_reason(path.name, MAPS) is None and not path.is_dir()]
        found = [path for path in found if not path.name.startswith(".")]
        if len(found) > 1:
            names = f"{found[0].name} and {found[1].name}"
            raise ValueError(f"image_pattern finds {len(found)} scans for {row['participant_id']}, {names}: accepted is one")
        if found:
            return str(found[0])
    return None


def _label(
    scans: pd.DataFrame,
    path: Path,
    classes: Sequence[Sequence[str]] | None,
    age_classes: Sequence[Sequence[float]] | None,
    num_classes: int | None,
    exclusions: Exclusions,
) -> tuple[pd.DataFrame, list[str]]:
    """Give each row its class; return the rows and the names of the classes."""
    column = "age" if age_classes is not None else "label"
    if column not in scans:
        raise ValueError(f"{path} lacks the column {column}: name the one that is meant in columns")
    if age_classes is not None:
        check_number(age_classes, num_classes)
        return label_ages(scans, age_classes, exclusions), [f"{first:g}-{last:g} years" for first, last in age_classes]
    if classes is not None:
        check_number(classes, num_classes)
        return label_values(scans, "label", classes, exclusions), name_classes(classes)
    scans = label_integers(scans, path, num_classes, exclusions)
    count = num_classes or max(int(scans["label"].max()) + 1 if len(scans) else 0, 2)
    return scans, [""] * count


def _part_pairs(scans: pd.DataFrame) -> pd.DataFrame:
    """Dissolve pairs of which only one scan is left."""
    if "pair" not in scans:
        return scans
    left = set(zip(scans["participant_id"], scans["session_id"], strict=True))
    whole = [key in left for key in zip(scans["participant_id"], scans["pair"], strict=True)]
    return scans.assign(pair=scans["pair"].where(whole))
