"""Disease maps of a cohort: what changed between the two scans of each pair, computed once and kept."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import Parallel, delayed
from tqdm import tqdm

from bundle.data.manifest import check_files
from bundle.files import write_atomically
from bundle.registration.alignment import LEVELS, check_settings
from bundle.registration.differences import check_sigmas
from bundle.registration.pairs import Limits, Pair, compute_pair, list_pairs

logger = logging.getLogger(__name__)

TABLE = "disease_maps.tsv"


def complete_disease_maps(
    manifest: pd.DataFrame,
    cache_dir: str | Path,
    splits: Sequence[str] | None = None,
    transform: str = "affine",
    bias_sigma: float | None = 25.0,
    smoothing: float = 2.0,
    levels: Sequence[float] = LEVELS,
    sampling: float = 0.5,
    min_correlation: float = 0.7,
    max_scaling: float = 0.1,
    seed: int = 0,
    num_workers: int = 1,
) -> pd.DataFrame:
    """Give the scans of pairs their disease maps: later minus earlier scan after registration.

    The maps are NIfTI files in `cache_dir`, found again when settings and scans (path, size, time) are the same; a run that was
    stopped goes on where it was. `disease_maps.tsv` there has a row a pair, and each pair a picture. A pair that cannot be
    registered has no map, and a sentence that says why.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287), ground truth of the ADNI experiment.

    Args:
        manifest: One row a scan with `participant_id`, `session_id`, `label`, `image`, `pair` (session of the same
            participant's other scan), and where present `brain_mask`, `age` and `disease_map`. The scan of the smaller label is
            the earlier; of equal labels the younger, or the first session by name.
        cache_dir: Folder of the maps.
        splits: Splits whose pairs are wanted; None for all.
        transform: "rigid", or "affine" for scans that were each brought to a template or come from different scanners.
        bias_sigma: Smoothness of the ratio of the bias fields in mm; None where only the gain differs.
        smoothing: Standard deviation of the Gaussian that maps are smoothed by, in mm; 0 for none.
        levels: Voxel edges of the registration in mm, from coarse to fine.
        sampling: Share of the voxels that the registration samples.
        min_correlation: Least correlation of registered scans inside the brain; pairs below it are left out.
        max_scaling: Largest relative difference of the brains' edges; pairs above it are left out.
        seed: Seed of the samples.
        num_workers: Pairs that are computed at the same time, each in its own process.

    Returns:
        The manifest with `disease_map` (path, NaN where there is none); the manifest itself when no pair lacks a map.

    Raises:
        FileNotFoundError: When a scan is absent.
        ValueError: When a setting is out of range, or a pair's other scan is not in the manifest or names another.
    """
    check_settings(transform, levels, sampling)
    check_sigmas(bias_sigma, smoothing)
    pairs = list_pairs(manifest, splits)
    if not pairs:
        return manifest
    check_files((file for pair in pairs for file in pair.list_files()), Path("the manifest"))
    settings = {
        "transform": transform, "bias_sigma": bias_sigma, "smoothing": smoothing, "levels": list(levels),
        "sampling": sampling, "seed": seed,
    }  # fmt: skip
    compute = partial(compute_pair, cache_dir=Path(cache_dir), settings=settings, limits=Limits(min_correlation, max_scaling))
    rows = list(_run(compute, pairs, num_workers))
    _write_table(rows, Path(cache_dir))
    _report(rows, Path(cache_dir))
    return _fill(manifest, pairs, rows)


def _run(compute: partial, pairs: Sequence[Pair], num_workers: int) -> Iterable[Mapping[str, Any]]:
    """Compute all pairs with a progress bar, in their order."""
    jobs = Parallel(n_jobs=max(1, num_workers), return_as="generator")(delayed(compute)(pair) for pair in pairs)
    return tqdm(jobs, total=len(pairs), desc="disease maps", unit="pair")


def _write_table(rows: Sequence[Mapping[str, Any]], cache_dir: Path) -> None:
    with write_atomically(cache_dir / TABLE) as path:
        pd.DataFrame(rows).to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.6g")


def _report(rows: Sequence[Mapping[str, Any]], cache_dir: Path) -> None:
    """Say in one sentence each which pairs have no map."""
    failed = [row for row in rows if row["status"] != "ok"]
    for row in failed:
        logger.warning(f"{row['participant_id']} has no disease map of {row['earlier']} and {row['later']}: {row['status']}")
    logger.info(f"{len(rows) - len(failed)} of {len(rows)} pairs have a disease map; see {cache_dir / TABLE}")


def _fill(manifest: pd.DataFrame, pairs: Sequence[Pair], rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a copy of the manifest with the maps' paths."""
    maps: dict[str, str] = {}
    for pair, row in zip(pairs, rows, strict=True):
        if row["status"] == "ok":
            maps |= {pair.earlier["image"]: row["earlier_map"], pair.later["image"]: row["later_map"]}
    found = manifest["image"].map(maps)
    known = manifest["disease_map"] if "disease_map" in manifest else pd.Series(index=manifest.index, dtype=object)
    return manifest.assign(disease_map=known.astype(object).where(known.notna(), found))
