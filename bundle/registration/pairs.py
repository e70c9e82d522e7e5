"""Pairs of scans in a manifest, and the files that one pair's disease map becomes."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bundle.files import write_folder_atomically, write_nifti
from bundle.registration.differences import Diagnostics, Difference, subtract_scans
from bundle.registration.pictures import draw_pair
from bundle.registration.volumes import Volume, read_volume

VERSION = 1  # raised when the same settings give other maps
RECORD = "pair.json"
PICTURE = "pair.png"
MAPS = {"earlier_map": "earlier_map.nii.gz", "later_map": "later_map.nii.gz"}


class Pair(NamedTuple):
    """Two scans of a participant.

    Attributes:
        earlier: row of the manifest of the earlier or less diseased state.
        later: row of the other.
    """

    earlier: Mapping[str, Any]
    later: Mapping[str, Any]

    def list_files(self) -> list[str]:
        """Return the files that the difference depends on."""
        return [row[key] for row in self for key in ("image", "brain_mask") if key in row and not pd.isna(row[key])]


class Limits(NamedTuple):
    """Where a registration is taken to have failed.

    Attributes:
        correlation: least correlation of the registered scans inside the brain.
        scaling: largest relative difference of the brains' edges.
    """

    correlation: float
    scaling: float


def list_pairs(manifest: pd.DataFrame, splits: Sequence[str] | None = None) -> list[Pair]:
    """Find the pairs of which a scan has no disease map.

    Args:
        manifest: One row a scan, as `complete_disease_maps` takes it.
        splits: Splits that are looked through; None for all.

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
    if not lacking.any():
        return []
    records = {(row["participant_id"], row["session_id"]): row for row in rows.to_dict("records")}
    pairs = {}
    for row in rows[lacking].to_dict("records"):
        ordered = sorted((row, _find_partner(row, records)), key=_state)
        pairs[tuple(scan["image"] for scan in ordered)] = Pair(*ordered)
    return list(pairs.values())


def compute_pair(pair: Pair, cache_dir: Path, settings: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """Compute the disease map of a pair, or find it computed.

    Args:
        pair: The scans.
        cache_dir: Folder of the maps.
        settings: Keywords of `subtract_scans`.
        limits: Where the registration is taken to have failed.

    Returns:
        Row of the table: who, `status` ("ok", or the sentence that says why there is no map), diagnostics and files.
    """
    folder = cache_dir / _name(pair, settings)
    if not (folder / RECORD).is_file():
        with write_folder_atomically(folder) as partial:
            (partial / RECORD).write_text(json.dumps(_compute(pair, partial, settings), indent=2) + "\n")
    row = json.loads((folder / RECORD).read_text())
    row["status"] = row["status"] if row["status"] != "ok" else find_fault(row, limits) or "ok"
    files = {**MAPS, "picture": PICTURE}
    return row | {key: str(folder / name) for key, name in files.items() if (folder / name).is_file()}


def find_fault(diagnostics: Mapping[str, Any], limits: Limits) -> str | None:
    """Say in one sentence why a registration is not to be trusted; None when it is.

    Args:
        diagnostics: The fields of `Diagnostics`.
        limits: What is accepted.
    """
    correlation, scale = diagnostics["correlation"], diagnostics["scale"]
    if not correlation >= limits.correlation:  # NaN as well
        return f"the registered scans correlate with {correlation:.3f}, and min_correlation is {limits.correlation:g}"
    if abs(scale - 1) > limits.scaling:
        return f"the later brain's edges are {scale:.3f} times the earlier's, and max_scaling is {limits.scaling:g}"
    return None


def _compute(pair: Pair, folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Write the files of a pair and return their record."""
    who = {"participant_id": pair.earlier["participant_id"], "earlier": pair.earlier["session_id"],
           "later": pair.later["session_id"]}  # fmt: skip
    try:
        earlier, later = (_read(row) for row in pair)
        difference = subtract_scans(earlier, later, **settings)
    except (ValueError, RuntimeError) as error:  # of SimpleITK
        return who | {"status": " ".join(str(error).split())} | dict.fromkeys(Diagnostics._fields)
    _write_maps(folder, difference, earlier, later)
    draw_pair(folder / PICTURE, difference.halfway, title=" ".join(str(name) for name in who.values()))
    return who | {"status": "ok"} | difference.diagnostics._asdict() | {"matrix": difference.transform.tolist()}


def _write_maps(folder: Path, difference: Difference, earlier: Volume, later: Volume) -> None:
    write_nifti(folder / MAPS["earlier_map"], difference.on_earlier, earlier.affine)
    write_nifti(folder / MAPS["later_map"], difference.on_later, later.affine)


def _read(row: Mapping[str, Any]) -> Volume:
    mask = row.get("brain_mask")
    return read_volume(row["image"], None if pd.isna(mask) else mask)


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
    """Return what says which scan of a pair is the earlier or less diseased."""
    age = row.get("age")
    return int(row["label"]), float("inf" if age is None or pd.isna(age) else age), str(row["session_id"])


def _name(pair: Pair, settings: Mapping[str, Any]) -> str:
    """Return the name of a pair's folder, which says all that its map depends on."""
    stats = [(file, Path(file).stat().st_size, Path(file).stat().st_mtime_ns) for file in pair.list_files()]
    key = json.dumps([VERSION, dict(settings), stats], sort_keys=True)
    words = [pair.earlier["participant_id"], pair.earlier["session_id"], pair.later["session_id"]]
    readable = re.sub(r"[^\w-]", "", "_".join(str(word) for word in words))
    return f"{readable}_{hashlib.sha256(key.encode()).hexdigest()[:12]}"
