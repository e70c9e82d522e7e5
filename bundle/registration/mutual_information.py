"""Registration by mutual information (SimpleITK)."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation's name)

FIRST_STEP, LAST_STEP, MAX_STEPS = 1.0, 1e-3, 200  # of the descent: mm, mm, of each level

Transform = TypeVar("Transform", bound=sitk.Transform)


class MutualInformation:
    """Mutual information of two images, and its maximum over a transform; the same images give the same result.

    Source: Mattes et al., IEEE TMI 2003 (https://doi.org/10.1109/TMI.2003.809072), by SimpleITK.

    Args:
        num_bins: bins of each image's intensities.
        sampling: share of the voxels that are compared, beside their centres, in (0, 1]; None for every voxel at its centre.
        seed: seed of the samples; 0 and above.
        masks: voxels of the fixed and of the moving image that are compared; None for all.
    """

    def __init__(
        self, num_bins: int, sampling: float | None = None, seed: int = 0, masks: Sequence[sitk.Image] | None = None
    ) -> None:
        self.method = sitk.ImageRegistrationMethod()
        self.method.SetMetricAsMattesMutualInformation(num_bins)
        self.method.SetInterpolator(sitk.sitkLinear)
        self.method.SetNumberOfThreads(1)  # sums over threads differ in their last digits
        if sampling is not None:
            self.method.SetMetricSamplingStrategy(self.method.REGULAR)  # every n-th voxel, moved by a draw
            self.method.SetMetricSamplingPercentage(sampling, seed + 1)  # 0 is the clock to ITK
        if masks is not None:
            self.method.SetMetricFixedMask(masks[0])
            self.method.SetMetricMovingMask(masks[1])

    def evaluate(self, images: Sequence[sitk.Image], transform: sitk.Transform) -> float:
        """Return the negative mutual information.

        Args:
            images: Fixed and moving image.
            transform: From points of the fixed image to those of the moving one.

        Raises:
            ValueError: When the images do not overlap.
        """
        self.method.SetInitialTransform(transform, inPlace=False)
        return self._run(self.method.MetricEvaluate, images)

    def maximise(self, images: Sequence[sitk.Image], start: Transform, levels: Sequence[float]) -> tuple[Transform, float]:
        """Find the parameters of a transform from coarse to fine.

        Args:
            images: Fixed and moving image.
            start: Transform to begin with, from points of the fixed image to those of the moving one.
            levels: Edge of a voxel in mm from the coarsest level to the finest; images are smoothed by half of it.

        Returns:
            The transform, and its negative mutual information.

        Raises:
            ValueError: When the images do not overlap.
        """
        edge = float(np.prod(images[0].GetSpacing()) ** (1 / 3))
        self.method.SetShrinkFactorsPerLevel([max(1, round(level / edge)) for level in levels])
        self.method.SetSmoothingSigmasPerLevel([level / 2 for level in levels])  # mm
        self.method.SetOptimizerAsRegularStepGradientDescent(FIRST_STEP, LAST_STEP, MAX_STEPS, gradientMagnitudeTolerance=1e-8)
        self.method.SetOptimizerScalesFromPhysicalShift()
        found = type(start)(start)
        self.method.SetInitialTransform(found, inPlace=True)
        self._run(self.method.Execute, images)
        return found, self.method.GetMetricValue()

    def _run(self, function: Callable[..., Any], images: Sequence[sitk.Image]) -> Any:
        try:
            return function(*images)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ValueError(f"the scans cannot be registered ({reason}): do they overlap, and do both show a brain?") from error


def to_matrix(transform: sitk.Transform) -> np.ndarray:
    """Return a linear transform as a matrix, shape (4, 4)."""
    points = np.array([transform.TransformPoint(point) for point in np.eye(4)[:, :3].tolist()])  # three units and the origin
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = (points[:3] - points[3]).T, points[3]
    return matrix
