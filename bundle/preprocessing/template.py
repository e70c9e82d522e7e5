"""MNI space: its template, the grid of prepared scans, and the registration of a brain to it."""

from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import nibabel
import nilearn
import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation's name)
from nibabel.affines import apply_affine, voxel_sizes

from bundle.data.geometry import Grid, resample, to_sitk
from bundle.data.scans import open_scan
from bundle.registration.mutual_information import MutualInformation, to_matrix

PATH = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"  # inside nilearn: MNI152 average without skull
LOWEST, HIGHEST = np.array([-96.0, -132.0, -78.0]), np.array([96.0, 96.0, 114.0])  # mm, of the grid; symmetric about x = 0
SEARCH_EDGE = 8.0  # mm, voxels in which the head's rotation is searched
ANGLES = tuple(np.radians((-40, -20, 0, 20, 40)))  # about each axis
NUM_STARTS = 3  # rotations from which the search continues
LEVELS = (8.0, 4.0, 2.0)  # mm, edges of a voxel from the coarsest level to the finest
NUM_BINS = 32
SAMPLING = 0.1  # share of the voxels in which the scans are compared


class Template(NamedTuple):
    """A brain without skull.

    Attributes:
        image: Intensities, background zero, shape (X, Y, Z), float32.
        affine: Voxel to world matrix in mm (RAS), shape (4, 4).
    """

    image: np.ndarray
    affine: np.ndarray


@lru_cache(maxsize=1)
def load_template() -> Template:
    """Read the MNI152 average that comes with nilearn (Fonov et al., NeuroImage 2011), 1 mm, without skull."""
    image = nibabel.as_closest_canonical(open_scan(Path(nilearn.__file__).parent / PATH))
    return Template(np.asarray(image.dataobj, dtype=np.float32), image.affine)


@lru_cache(maxsize=4)
def resample_template(shape: tuple[int, ...], edge: float, origin: tuple[float, ...]) -> np.ndarray:
    """Return the template on a grid of cubic voxels along the axes of the world, float32.

    Args:
        shape: Voxels along each axis.
        edge: Of a voxel, mm.
        origin: World coordinates of the first voxel, mm.
    """
    template = load_template()
    affine = np.diag([edge, edge, edge, 1.0])
    affine[:3, 3] = origin
    return resample(template.image[None], template.affine, affine, shape, exact=False)[0]


def place_grid(voxel_size: float) -> Grid:
    """Return the grid of cubic voxels (edge in mm) over a brain in MNI space; with 1 mm it has 193 x 229 x 193 voxels."""
    affine = np.diag([voxel_size] * 3 + [1.0])
    affine[:3, 3] = LOWEST
    return Grid(tuple(int(count) for count in np.floor((HIGHEST - LOWEST) / voxel_size + 1e-6) + 1), affine)


def register_to_template(image: np.ndarray, affine: np.ndarray, template: Template | None = None) -> np.ndarray:
    """Find the affine transform to a template that maximises mutual information.

    Centres of mass and volumes are brought together, rotations of up to 40 degrees about each axis are compared on a coarse
    grid, and from the best ones seven parameters and then twelve are found from coarse to fine. The background, zero in both,
    counts: it is what brings the borders of the brains together.

    Args:
        image: Brain without skull, background zero, shape (X, Y, Z).
        affine: Its voxel to world matrix in mm (RAS), shape (4, 4), without shear.
        template: Brain to register to; None for MNI152.

    Returns:
        Matrix from world points of the scan to those of the template, mm, shape (4, 4).
    """
    brains = (
        _coarsen(template, LEVELS[-1]) if template else _load_coarse_template(),
        _coarsen(Template(image, affine), LEVELS[-1]),
    )
    coarse, fine = [to_sitk(*_coarsen(brain, SEARCH_EDGE)) for brain in brains], [to_sitk(*brain) for brain in brains]
    information = MutualInformation(NUM_BINS)
    starts = _list_rotations(_centre(*brains))
    starts = sorted(starts, key=lambda start: information.evaluate(coarse, start))[:NUM_STARTS]
    candidates = [information.maximise(coarse, start, [SEARCH_EDGE]) for start in starts]
    best, _ = min(candidates, key=lambda candidate: candidate[1])
    start = sitk.AffineTransform(3)
    start.SetCenter(best.GetCenter())
    start.SetMatrix(best.GetMatrix())
    start.SetTranslation(best.GetTranslation())
    found, _ = MutualInformation(NUM_BINS, SAMPLING).maximise(fine, start, LEVELS)
    return np.linalg.inv(to_matrix(found))


@lru_cache(maxsize=1)
def _load_coarse_template() -> Template:
    return _coarsen(load_template(), LEVELS[-1])


def _coarsen(brain: Template, edge: float) -> Template:
    """Return a brain on a coarser grid with cubic voxels."""
    spacing = voxel_sizes(brain.affine)
    chain = np.diag([*(edge / spacing), 1.0])
    shape = tuple(int(size) for size in np.ceil(np.array(brain.image.shape) * spacing / edge))
    return Template(resample(brain.image[None], np.eye(4), chain, shape, exact=False)[0], brain.affine @ chain)


def _centre(template: Template, scan: Template) -> sitk.Similarity3DTransform:
    """Return the transform of template to scan that brings centres of mass together, and volumes."""
    centres, volumes = [], []
    for values, affine in (template, scan):
        inside = np.argwhere(values > 0)
        centres.append(apply_affine(affine, inside.mean(axis=0)))
        volumes.append(len(inside) * abs(np.linalg.det(affine[:3, :3])))
    start = sitk.Similarity3DTransform()
    start.SetCenter(centres[0].tolist())
    start.SetTranslation((centres[1] - centres[0]).tolist())
    start.SetScale(float((volumes[1] / volumes[0]) ** (1 / 3)))
    return start


def _list_rotations(start: sitk.Similarity3DTransform) -> list[sitk.Similarity3DTransform]:
    """Return a transform with each rotation of a grid of them."""
    rotated = []
    for angles in product(ANGLES, repeat=3):
        turn = sitk.Euler3DTransform()
        turn.SetRotation(*angles)
        rotated.append(sitk.Similarity3DTransform(start))
        rotated[-1].SetMatrix((np.array(turn.GetMatrix()) * start.GetScale()).tolist())
    return rotated
