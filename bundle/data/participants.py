"""The participants of a cohort: who is the same under which names, and who is in two splits."""

import logging
import re

import pandas as pd

logger = logging.getLogger(__name__)


def name_person(identifier: object) -> str:
    """Return the name by which a participant is recognised in another table: sub-01 and 01 are the same."""
    return str(identifier).removeprefix("sub-")


def find_torn(manifest: pd.DataFrame) -> str:
    """Return who is in two splits, for a message; empty when nobody is. The participants sub-01 and 01 are the same."""
    people = manifest["participant_id"].map(name_person)
    splits = manifest.groupby(people)["split"].unique()
    torn = splits[splits.map(len) > 1]
    if torn.empty:
        return ""
    name = manifest.loc[people == torn.index[0], "participant_id"].iloc[0]
    return f"{name} in the splits {' and '.join(sorted(torn.iloc[0]))} ({len(torn)} such subjects)"


def warn_of_namesakes(manifest: pd.DataFrame) -> None:
    """Warn of participants in different splits whose names differ in leading zeros or case alone, as sub-1 and sub-01 do."""
    people = manifest["participant_id"].map(lambda name: re.sub(r"(?<!\d)0+(?=\d)", "", name_person(str(name).lower())))
    splits = manifest.groupby(people)["split"].nunique()
    torn = splits.index[splits > 1]
    if len(torn):
        rows = manifest[people == torn[0]].drop_duplicates("split")
        names = " and ".join(f"{name} ({split})" for name, split in zip(rows["participant_id"], rows["split"], strict=True))
        sentence = "%s are probably one participant (%d such): one name puts all scans of a participant into one split"
        logger.warning(sentence, names, len(torn))
