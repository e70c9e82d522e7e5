"""Pairs of scans in a manifest."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd


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
    """Find the pairs of which a scan has no disease map.

    Args:
        manifest: One row a scan, as `complete_disease_maps` takes it.
        splits: Splits of the scans; None for all.

    Returns:
        The pairs, in the order of the manifest.

    Raises:
        ValueError: When a pair's other scan is not in the manifest, or names another scan.
    """
    if "pair" not in manifest:
        return []
    if "session_id" not in manifest:
        raise ValueError("the manifest has the column pair but not session_id, which it names: accepted are both or none")
    rows = manifest if splits is None else manifest[manifest["split"].isin(list(splits))]
    lacking = rows["pair"].notna() & (rows["disease_map"].isna() if "disease_map" in rows else True)
    records = {(row["participant_id"], row["session_id"]): row for row in rows.to_dict("records")}
    pairs = {}
    for row in rows[lacking].to_dict("records"):
        ordered = sorted((row, _find_partner(row, records)), key=_state)
        pairs[tuple(scan["image"] for scan in ordered)] = Pair(*ordered)
    return list(pairs.values())


def _find_partner(row: Mapping[str, Any], records: Mapping[tuple, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the other scan of a pair."""
    name, session = row["participant_id"], row["pair"]
    partner = records.get((name, session))
    if partner is None or session == row["session_id"]:
        others = sorted({who for who, other in records if other == session and who != name})
        hint = f" ({others[0]} has one)" if others else ""
        raise ValueError(f"{name} {row['session_id']} names {session} as its pair, which is no other scan of {name}{hint}")
    if partner.get("pair") != row["session_id"]:
        raise ValueError(
            f"{name} {row['session_id']} names {session} as its pair, but {session} names {partner.get('pair')}:"
            " both scans of a pair must name each other"
        )
    return partner


def _state(row: Mapping[str, Any]) -> tuple:
    """Return the order of a pair's scans: by label, then age, then session."""
    age = row.get("age")
    return int(row["label"]), float("inf" if age is None or pd.isna(age) else age), str(row["session_id"])
