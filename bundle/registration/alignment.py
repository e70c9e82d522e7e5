"""Registration of two scans of a head."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation's name)
from nibabel.affines import apply_affine, voxel_sizes
from scipy.linalg import polar

from bundle.data.geometry import to_sitk
from bundle.registration.mutual_information import MutualInformation, to_matrix
from bundle.registration.transforms import average
from bundle.registration.volumes import Volume

KINDS = ("rigid", "affine")
NUM_BINS = 50
EDGE = 2.0  # mm, of the voxels that scans are compared on; smaller where the finest level is
TOLERANCE = 1e-3  # of the number of voxels that are averaged
DECIMALS = 9  # of a transform: those of SimpleITK differ from run to run by 1e-13, which would change bytes of maps


@dataclass(frozen=True)
class Registration:
    """The transform that maximises the mutual information of two scans inside their brains.

    The centres of mass are brought together, then six parameters are found from coarse to fine, and for "affine" twelve.
    Samples lie beside the voxels' centres, drawn with `seed`: equal scans on equal grids would otherwise have a false optimum.

    Args:
        transform: "rigid" (six parameters), or "affine" (twelve) for scans that were each brought to a template or come from
            different scanners.
        levels: Edge of a voxel in mm from the coarsest level to the finest; scans are smoothed by half of it.
        sampling: Share of the voxels that are sampled, in (0, 1].
        seed: Seed of the samples; 0 and above.

    Raises:
        ValueError: When a setting is none of the accepted.
    """

    transform: str = "affine"
    levels: Sequence[float] = (8.0, 4.0, 2.0)
    sampling: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.transform not in KINDS:
            raise ValueError(f"transform must be one of {', '.join(KINDS)}, got {self.transform!r}")
        if not self.levels or min(self.levels) <= 0:
            raise ValueError(f"levels must be voxel sizes in mm from coarse to fine, got {list(self.levels)}")
        if not 0 < self.sampling <= 1:
            raise ValueError(f"sampling must be a share of the voxels above 0 and at most 1, got {self.sampling}")

    def align(self, fixed: Volume, moving: Volume, start: np.ndarray | None = None) -> np.ndarray:
        """Register a scan to another.

        Args:
            fixed: Scan that stays.
            moving: Scan that is registered to it.
            start: Transform to begin with, shape (4, 4); None for a rigid one from the centres of mass.

        Returns:
            Matrix from world points of `fixed` to those of `moving`, mm (RAS), shape (4, 4).

        Raises:
            ValueError: When the scans do not overlap.
        """
        images, masks = zip(*(_coarsen(scan, min(self.levels[-1], EDGE)) for scan in (fixed, moving)), strict=True)
        information = MutualInformation(NUM_BINS, self.sampling, self.seed, masks)
        centre = _find_centre(fixed)
        kinds: Sequence[str] = (self.transform,)
        if start is None:
            start, kinds = np.eye(4), KINDS[: KINDS.index(self.transform) + 1]  # a rigid transform comes before an affine one
            start[:3, 3] = _find_centre(moving) - centre
        for kind in kinds:
            found, _ = information.maximise(images, _make_transform(kind, start, centre), self.levels)
            start = to_matrix(found)
        return start

    def align_symmetrically(self, earlier: Volume, later: Volume, start: np.ndarray | None = None) -> np.ndarray:
        """Register two scans in both directions and return the mean, so that neither is the one that stays.

        Args:
            earlier: One scan.
            later: The other.
            start: As in `align`.

        Returns:
            Matrix from world points of `earlier` to those of `later`, mm (RAS), shape (4, 4).

        Raises:
            ValueError: When the scans do not overlap.
        """
        forward = self.align(earlier, later, start)
        backward = self.align(later, earlier, None if start is None else np.linalg.inv(start))
        return average(forward, np.linalg.inv(backward)).round(DECIMALS)


def _coarsen(scan: Volume, edge: float) -> tuple[sitk.Image, sitk.Image]:
    """Return intensities and mask of a brain, averaged over voxels of at most `edge` mm where its own are smaller."""
    factors = [int(factor) for factor in np.maximum(edge / voxel_sizes(scan.affine) + TOLERANCE, 1)]
    image, brain = (to_sitk(part.astype(np.float32), scan.affine) for part in (np.where(scan.brain, scan.values, 0), scan.brain))
    return sitk.BinShrink(image, factors), sitk.BinShrink(brain, factors) >= 0.5


def _find_centre(scan: Volume) -> np.ndarray:
    """Return the centre of mass of the intensities inside the brain, world coordinates in mm, shape (3,)."""
    weight = np.abs(scan.values[scan.brain]).astype(np.float64)
    return apply_affine(scan.affine, np.average(np.argwhere(scan.brain), axis=0, weights=weight))


def _make_transform(kind: str, matrix: np.ndarray, centre: np.ndarray) -> sitk.Euler3DTransform | sitk.AffineTransform:
    """Return a matrix, shape (4, 4), as a transform of SimpleITK with its parameters about a centre in mm."""
    transform = sitk.Euler3DTransform() if kind == "rigid" else sitk.AffineTransform(3)
    linear = polar(matrix[:3, :3])[0] if kind == "rigid" else matrix[:3, :3]
    transform.SetCenter(centre.tolist())
    transform.SetMatrix(linear.ravel().tolist())
    transform.SetTranslation((apply_affine(matrix, centre) - centre).tolist())
    return transform
