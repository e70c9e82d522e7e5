"""Removing the slow change of brightness that a scanner's coils leave in a scan."""

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation's name)

from bundle.data.geometry import from_sitk, to_sitk

EDGE = 5.0  # mm, of the voxels in which the field is estimated: it is smooth
ITERATIONS = (50, 50, 50)  # for each resolution of the field


def correct_bias(image: np.ndarray, brain: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Divide a scan, shape (X, Y, Z), by its bias field, which is estimated inside the brain on a shrunken image.

    The mean intensity of the brain stays what it was. `spacing` are the edges of a voxel in mm. A `ValueError` when the brain has
    negative intensities, of which N4 has no logarithm.

    Source: Tustison et al., IEEE TMI 2010 (https://doi.org/10.1109/TMI.2010.2046908), N4, by SimpleITK.
    """
    if image[brain].min() < 0:
        raise ValueError("the brain has negative intensities: set bias_correction to False for scans that are standardised")
    scan, mask = (to_sitk(array, np.diag([*spacing, 1.0])) for array in (image.astype(np.float32), brain.astype(np.uint8)))
    factors = [int(max(1, round(EDGE / edge))) for edge in spacing]
    corrector = sitk.N4BiasFieldCorrectionImageFilter()
    corrector.SetMaximumNumberOfIterations(ITERATIONS)
    coarse = sitk.Shrink(scan, factors)
    corrector.Execute(coarse, sitk.Shrink(mask, factors))
    enlarge = sitk.ResampleImageFilter()
    enlarge.SetReferenceImage(scan)
    enlarge.SetUseNearestNeighborExtrapolator(True)  # half a coarse voxel, at the border
    corrected = image / np.exp(from_sitk(enlarge.Execute(corrector.GetLogBiasFieldAsImage(coarse))))
    return (corrected * (image[brain].mean() / corrected[brain].mean())).astype(np.float32)
