"""Finding where a brain lies in MNI space."""

from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import nilearn
import numpy as np
import SimpleITK as sitk  # noqa: N813  # its own documentation calls it so

from bundle.preprocessing.grids import resample
from bundle.data.geometry import to_sitk

PATH = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"  # inside nilearn: MNI152 average without skull
SEARCH_EDGE = 8.0  # mm, voxels in which the head's rotation is looked for
ANGLES = tuple(np.radians((-40, -20, 0, 20, 40)))  # tried about each axis
NUM_STARTS = 3  # rotations from which the search goes on
EDGE = 2.0  # mm, voxels of the registration's last level
SHRINK_FACTORS = (4, 2, 1)
NUM_BINS = 32
SAMPLING = 0.2  # share of the voxels in which the scans are compared
FIRST_STEP, LAST_STEP, MAX_STEPS = 1.0, 1e-3, 200  # mm, mm, of each level


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
    image = nibabel.as_closest_canonical(nibabel.load(Path(nilearn.__file__).parent / PATH))
    return Template(np.asarray(image.dataobj, dtype=np.float32), image.affine)


@lru_cache(maxsize=4)
def read_template(shape: tuple[int, ...], edge: float, origin: tuple[float, ...]) -> np.ndarray:
    """Return the template on a grid of cubic voxels along the axes of the world, float32.

    Args:
        shape: Voxels along each axis.
        edge: Of a voxel, mm.
        origin: World coordinates of the first voxel, mm.
    """
    template = load_template()
    affine = np.diag([edge, edge, edge, 1.0])
    affine[:3, 3] = origin
    return resample(template.image, np.linalg.inv(template.affine) @ affine, shape)


def register(image: np.ndarray, affine: np.ndarray, template: Template | None = None) -> np.ndarray:
    """Find the affine transform to a template that maximises mutual information.

    Centres of mass and volumes are brought together, rotations of up to 40 degrees about each axis are tried on a coarse
    grid, and from the best ones seven parameters and then twelve are found from coarse to fine. The background, zero in both,
    counts: it is what brings the borders of the brains together.

    Source: Mattes et al., IEEE TMI 2003 (https://doi.org/10.1109/TMI.2003.809072), by SimpleITK.

    Args:
        image: Brain without skull, background zero, shape (X, Y, Z).
        affine: Its voxel to world matrix in mm (RAS), shape (4, 4), without shear.
        template: Brain to register to; None for MNI152.

    Returns:
        Matrix from world points of the scan to those of the template, mm, shape (4, 4).

    Raises:
        ValueError: When the two cannot be compared.
    """
    template = template or load_template()
    coarse, fine = ((_shrink(template, edge), _shrink(Template(image, affine), edge)) for edge in (SEARCH_EDGE, EDGE))
    try:
        starts = _search(coarse, _centre(template, image, affine))
        candidates = [_climb(coarse, start, (1,)) for start in starts]
        _, rigid = min(candidates, key=lambda candidate: candidate[0])
        _, found = _climb(fine, _loosen(rigid), SHRINK_FACTORS)
    except RuntimeError as error:
        raise ValueError(f"the brain cannot be registered ({str(error).strip().splitlines()[-1]})") from error
    return np.linalg.inv(_to_matrix(found))


def _shrink(brain: Template, edge: float) -> sitk.Image:
    """Return a brain on a coarser grid with cubic voxels, in the world."""
    spacing = np.linalg.norm(brain.affine[:3, :3], axis=0)
    chain = np.diag([*(edge / spacing), 1.0])
    shape = tuple(int(size) for size in np.ceil(np.array(brain.image.shape) * spacing / edge))
    return to_sitk(resample(brain.image, chain, shape), brain.affine @ chain)


def _centre(template: Template, image: np.ndarray, affine: np.ndarray) -> sitk.Similarity3DTransform:
    """Return the transform of template to scan that brings centres of mass together, and volumes."""
    centres, volumes = [], []
    for values, matrix in (template, (image, affine)):
        inside = np.argwhere(values > 0)
        centres.append(matrix[:3, :3] @ inside.mean(axis=0) + matrix[:3, 3])
        volumes.append(len(inside) * abs(np.linalg.det(matrix[:3, :3])))
    start = sitk.Similarity3DTransform()
    start.SetCenter(centres[0].tolist())
    start.SetTranslation((centres[1] - centres[0]).tolist())
    start.SetScale(float((volumes[1] / volumes[0]) ** (1 / 3)))
    return start


def _search(images: tuple[sitk.Image, sitk.Image], start: sitk.Similarity3DTransform) -> list[sitk.Similarity3DTransform]:
    """Return the best rotations of a grid of them, best first."""
    method = _compare(sampling=1.0)
    found: list[tuple[float, int, sitk.Similarity3DTransform]] = []
    for angles in product(ANGLES, repeat=3):
        turn = sitk.Euler3DTransform()
        turn.SetRotation(*angles)
        rotated = sitk.Similarity3DTransform(start)
        rotated.SetMatrix((np.array(turn.GetMatrix()) * start.GetScale()).tolist())
        method.SetInitialTransform(rotated, inPlace=False)
        found.append((method.MetricEvaluate(*images), len(found), rotated))
    return [transform for _, _, transform in sorted(found)[:NUM_STARTS]]


def _climb(
    images: tuple[sitk.Image, sitk.Image], start: sitk.Transform, shrink_factors: tuple[int, ...]
) -> tuple[float, sitk.Transform]:
    """Improve a transform of template to scan; return the negative mutual information as well."""
    method = _compare(sampling=1.0 if len(shrink_factors) == 1 else SAMPLING)
    method.SetOptimizerAsRegularStepGradientDescent(FIRST_STEP, LAST_STEP, MAX_STEPS, gradientMagnitudeTolerance=1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(shrink_factors)
    edge = images[0].GetSpacing()[0]
    method.SetSmoothingSigmasPerLevel([factor * edge / 2 for factor in shrink_factors])
    found = type(start)(start)
    method.SetInitialTransform(found, inPlace=True)
    method.Execute(*images)
    return method.GetMetricValue(), found


def _loosen(rigid: Any) -> sitk.AffineTransform:
    """Return a transform as one of twelve parameters."""
    affine = sitk.AffineTransform(3)
    affine.SetCenter(rigid.GetCenter())
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    return affine


def _compare(sampling: float) -> sitk.ImageRegistrationMethod:
    """Return a registration method with its measure of likeness, the same for the same scans."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(NUM_BINS)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetNumberOfThreads(1)  # sums over threads differ in their last digits
    if sampling < 1:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(sampling, seed=1)
    return method


def _to_matrix(transform: sitk.Transform) -> np.ndarray:
    """Return a linear transform as a matrix, shape (4, 4)."""
    points = np.array([transform.TransformPoint(point) for point in np.vstack([np.zeros(3), np.eye(3)]).tolist()])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = (points[1:] - points[0]).T, points[0]
    return matrix
