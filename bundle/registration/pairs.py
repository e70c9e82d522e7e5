"""Pairs of scans in a manifest."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from bundle.data.manifest import check_pairs


class Pair(NamedTuple):
    """Two scans of a participant.

    Attributes:
        earlier: row of the manifest of the earlier or less diseased state.
        later: row of the other.
    """

    earlier: Mapping[str, Any]
    later: Mapping[str, Any]


def list_files(row: Mapping[str, Any]) -> list[str]:
    """Return the scan and, where present, the brain mask of a row of the manifest."""
    return [row[key] for key in ("image", "brain_mask") if key in row and not pd.isna(row[key])]


def list_pairs(manifest: pd.DataFrame, splits: Sequence[str] | None = None) -> list[Pair]:
    """Find the pairs of the given splits (None: all) of which a scan has no disease map, in the order of the manifest.

    A `ValueError` when the scans of a pair do not name each other.
    """
    if "pair" not in manifest:
        return []
    check_pairs(manifest, "the manifest")
    rows = manifest if splits is None else manifest[manifest["split"].isin(list(splits))]
    lacking = rows["pair"].notna() & (rows["disease_map"].isna() if "disease_map" in rows else True)
    records = {(row["participant_id"], row["session_id"]): row for row in rows.to_dict("records")}
    pairs = {}
    for row in rows[lacking].to_dict("records"):
        ordered = sorted((row, records[row["participant_id"], row["pair"]]), key=_state)
        pairs[tuple(scan["image"] for scan in ordered)] = Pair(*ordered)
    return list(pairs.values())


def _state(row: Mapping[str, Any]) -> tuple:
    """Return the order of a pair's scans: by label, then age, then session."""
    age = row.get("age")
    return int(row["label"]), float("inf" if age is None or pd.isna(age) else age), str(row["session_id"])
