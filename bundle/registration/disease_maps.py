"""Disease maps of a cohort: what changed between the two scans of each pair, computed once and kept."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from tqdm import tqdm

from bundle.colours import SIGNED
from bundle.data.manifest import check_files
from bundle.files import write_atomically, write_nifti, write_table
from bundle.ranks import run_once
from bundle.records import compute_fingerprint, read_record, write_record
from bundle.registration.alignment import Registration
from bundle.registration.differences import Diagnostics, check_settings, subtract_scans
from bundle.registration.pairs import Pair, list_files, list_pairs
from bundle.registration.volumes import read_brain
from bundle.workers import KILLED, Workers

logger = logging.getLogger(__name__)

VERSION = 1  # raised when the same settings give other maps
TABLE = "disease_maps.tsv"
RECORD = "pair.json"
FILES = {"earlier_map": "earlier_map.nii.gz", "later_map": "later_map.nii.gz", "picture": "pair.png"}
HEIGHTS = (0.35, 0.5, 0.65)  # of the axial slices of the picture, in parts of the brain's height
PERCENTILE = 99.5  # of the brain, that ends a scale of the picture


def complete_disease_maps(
    manifest: pd.DataFrame,
    cache_dir: str | Path,
    splits: Sequence[str] | None = None,
    registration: Registration | None = None,
    bias_sigma: float | None = 25.0,
    smoothing: float = 2.0,
    shrinkage: float = 2.0,
    min_correlation: float = 0.7,
    max_scaling: float = 0.1,
    workers: Workers | None = None,
) -> pd.DataFrame:
    """Give the scans of pairs their disease maps: later minus earlier scan after registration.

    The maps are NIfTI files in `cache_dir`, found again when settings and scans (path, size, time) are the same; a run that was
    stopped continues where it was. `disease_maps.tsv` there has a row a pair, and each pair a picture. A pair that cannot be
    registered has no map, and its reason in the table.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287), ground truth of the ADNI experiment.

    Args:
        manifest: One row a scan with `participant_id`, `session_id`, `label`, `image`, `pair` (session of the same
            participant's other scan), and where present `brain_mask`, `age` and `disease_map`. The scan of the smaller label is
            the earlier; of equal labels the younger, or the first session by name.
        cache_dir: Folder of the maps.
        splits: Splits whose pairs are computed; None for all.
        registration: Registration of two scans; None for `Registration()`.
        bias_sigma: Smoothness of the ratio of the bias fields in mm; None where only the gain differs.
        smoothing: Standard deviation of the Gaussian that maps are smoothed by, in mm; 0 for none.
        shrinkage: Noise power that smoothed maps are shrunk by, in multiples of its estimate; 0 for none.
        min_correlation: Least correlation of registered scans inside the brain; pairs below it are left out.
        max_scaling: Largest relative difference of the brains' edges; pairs above it are left out.
        workers: Where pairs are computed; None for this process alone.

    Returns:
        The manifest with `disease_map` (path, NaN where there is none); the manifest itself when no pair lacks a map.

    Raises:
        FileNotFoundError: When a scan is absent.
        ValueError: When a setting is out of range, or a pair's other scan is not in the manifest or names another.
    """
    check_settings(bias_sigma, smoothing, shrinkage)
    pairs = list_pairs(manifest, splits)
    if not pairs:
        return manifest
    check_files((file for pair in pairs for row in pair for file in list_files(row)), "the manifest")
    settings = {
        "registration": registration or Registration(), "bias_sigma": bias_sigma, "smoothing": smoothing, "shrinkage": shrinkage,
    }  # fmt: skip
    compute = partial(_compute_pair, cache_dir=Path(cache_dir), settings=settings)
    maps = run_once(
        lambda: _compute_maps(pairs, compute, Path(cache_dir) / TABLE, min_correlation, max_scaling, workers or Workers(0))
    )
    given = manifest["disease_map"] if "disease_map" in manifest else pd.Series(index=manifest.index, dtype=object)
    return manifest.assign(disease_map=given.astype(object).where(given.notna(), manifest["image"].map(maps)))


def _compute_maps(
    pairs: Sequence[Pair],
    compute: Callable[[Pair], dict[str, Any]],
    table: Path,
    min_correlation: float,
    max_scaling: float,
    workers: Workers,
) -> dict[str, str]:
    """Compute the maps of all pairs, write their table, and return the path of the map of each scan."""
    jobs = workers.run(compute, [(pair,) for pair in pairs])
    found = dict(tqdm(jobs, total=len(pairs), desc="disease maps", unit="pair"))
    rows: list[dict[str, Any]] = []
    maps: dict[str, str] = {}
    for index, pair in enumerate(pairs):
        row = found[index] or _name_pair(pair) | _fail(KILLED.format(pair.later["image"]))
        if row["status"] == "ok":
            row["status"] = find_fault(row, min_correlation, max_scaling) or "ok"
        if row["status"] == "ok":
            maps |= {pair.earlier["image"]: row["earlier_map"], pair.later["image"]: row["later_map"]}
        else:
            logger.warning(f"{row['participant_id']} has no disease map of {row['earlier']} and {row['later']}: {row['status']}")
        rows.append(row)
    write_table(table, pd.DataFrame(rows), float_format="%.6g")
    logger.info(f"{len(maps) // 2} of {len(rows)} pairs have a disease map; see {table}")
    return maps


def find_fault(diagnostics: Mapping[str, Any], min_correlation: float, max_scaling: float) -> str | None:
    """Return why a registration, given by the fields of `Diagnostics`, has failed, in one sentence; None when it has not."""
    correlation, scale = diagnostics["correlation"], diagnostics["scale"]
    if not correlation >= min_correlation:  # NaN as well
        return f"the registered scans correlate with {correlation:.3f}, and min_correlation is {min_correlation:g}"
    if abs(scale - 1) > max_scaling:
        return f"the later brain's edges are {scale:.3f} times the earlier's, and max_scaling is {max_scaling:g}"
    return None


def _compute_pair(pair: Pair, cache_dir: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Compute the disease map of a pair, unless it was computed before; return its row of the table."""
    who = _name_pair(pair)
    parts = {**settings, "registration": asdict(settings["registration"])}
    fingerprint = compute_fingerprint(VERSION, parts, files=[file for row in pair for file in list_files(row)])
    name = re.sub(r"[^\w-]", "", "_".join(map(str, who.values())))
    folder = cache_dir / f"{name}_{fingerprint[:12]}"
    files = {key: str(folder / name) for key, name in FILES.items()}
    record = read_record(folder / RECORD, fingerprint)
    if record is None or (record["status"] == "ok" and not all(Path(file).is_file() for file in files.values())):
        record = write_record(folder / RECORD, fingerprint, who | _write_maps(pair, files, settings))
    return record | (files if record["status"] == "ok" else {})


def _name_pair(pair: Pair) -> dict[str, Any]:
    earlier, later = pair
    return {"participant_id": earlier["participant_id"], "earlier": earlier["session_id"], "later": later["session_id"]}


def _fail(status: str) -> dict[str, Any]:
    """Return the columns of a pair that has no map."""
    return {"status": status} | dict.fromkeys(Diagnostics._fields)


def _write_maps(pair: Pair, files: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Write the files of a pair and return status and diagnostics."""
    try:
        earlier, later = (read_brain(*list_files(row)) for row in pair)
        difference = subtract_scans(earlier, later, **settings)
    except (ValueError, RuntimeError) as error:  # of SimpleITK
        return _fail(" ".join(str(error).split()))
    write_nifti(files["earlier_map"], difference.on_earlier, earlier.affine)
    write_nifti(files["later_map"], difference.on_later, later.affine)
    title = f"{pair.earlier['participant_id']} {pair.earlier['session_id']} {pair.later['session_id']}"
    _draw_pair(files["picture"], difference.midspace, title)
    return {"status": "ok"} | difference.diagnostics._asdict() | {"matrix": difference.transform.tolist()}


def _draw_pair(path: str, midspace: np.ndarray, title: str) -> None:
    """Draw three axial slices of both scans and of their difference, shape (3, X, Y, Z)."""
    slices = [int(height * (midspace.shape[3] - 1)) for height in HEIGHTS]
    figure = Figure(figsize=(6.6, 7.2))
    axes = figure.subplots(len(slices), 3)
    figure.suptitle(title, fontsize=9)
    for column, (name, volume) in enumerate(zip(("earlier", "later", "change"), midspace, strict=True)):
        shown = midspace[:2] if column < 2 else volume
        top = np.percentile(np.abs(shown[shown != 0]), PERCENTILE) if shown.any() else 1.0
        style = {"cmap": "gray", "vmin": 0, "vmax": top} if column < 2 else {"cmap": SIGNED, "vmin": -top, "vmax": top}
        for row, height in enumerate(slices):
            axes[row, column].imshow(volume[:, :, height].T, origin="lower", **style)
            axes[row, column].set_axis_off()
        axes[0, column].set_title(name, fontsize=9)
    figure.tight_layout()
    with write_atomically(path) as temporary:
        figure.savefig(temporary, dpi=80)
