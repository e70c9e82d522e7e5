"""How many participants and scans a cohort has, to look at before anything runs."""

from collections.abc import Mapping, Sequence

import pandas as pd

from bundle.data.manifest import SPLITS


def count_scans(manifest: pd.DataFrame, cohort: str, class_names: Sequence[str]) -> pd.DataFrame:
    """Count participants and scans of each split and class.

    Args:
        manifest: Rows with `participant_id`, `split` and `label`, perhaps `age` (years) and `sex`.
        cohort: Name of the cohort.
        class_names: Name of each class, in the order of the labels.

    Returns:
        One row for each split and class, then one for all: participants, scans, mean and standard deviation of age over
        scans in years, participants by sex.
    """
    labels = range(max(len(class_names), int(manifest["label"].max()) + 1))
    rows = []
    for split in SPLITS:
        for label in labels:
            part = manifest[(manifest["split"] == split) & (manifest["label"] == label)]
            name = class_names[label] if label < len(class_names) else ""
            rows.append({"cohort": cohort, "split": split, "class": f"{label} {name}".strip(), **_describe(part)})
    return pd.DataFrame([*rows, {"cohort": cohort, "split": "all", "class": "all", **_describe(manifest)}])


def format_counts(counts: pd.DataFrame, left_out: Mapping[str, int]) -> str:
    """Write counts, and what was left out, as text.

    Args:
        counts: Table from `count_scans`.
        left_out: Number of rows by reason.

    Returns:
        Several lines.
    """
    lines = [counts.to_string(index=False, na_rep="n/a", float_format="%.1f")]
    lines += ["left out:"] if left_out else ["left out: nothing"]
    return "\n".join([*lines, *(f"  {number:6d}  {reason}" for reason, number in left_out.items())])


def _describe(scans: pd.DataFrame) -> dict[str, float | int]:
    ages = scans["age"].astype(float) if "age" in scans else pd.Series(dtype=float)
    people = scans.drop_duplicates("participant_id").get("sex", pd.Series(dtype=object))
    return {
        "participants": scans["participant_id"].nunique(),
        "scans": len(scans),
        "age_mean": ages.mean(),
        "age_sd": ages.std(),
        "female": int((people == "F").sum()),
        "male": int((people == "M").sum()),
    }
