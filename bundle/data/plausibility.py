"""Whether an image looks like what a network takes: a brain without skull, background zero."""

import numpy as np
from nibabel.affines import voxel_sizes

# Adults have 1100 to 1900 ml inside the skull, simulated ones 1490 to 1820, and templates 1740 (Colin27) to 1890 (MNI152).
BRAIN_VOLUME = (900.0, 2100.0)  # ml, of a brain with its fluid
LOOSE = (0.9, 1.15)  # multiples of these limits: a brain without its fluid, and brains scaled to a template, keep to them
SLICE_AREA = (10.0, 350.0)  # cm^2, of a brain in an axial slice; the smaller one is that of its top
MIN_BACKGROUND = 0.05  # share of the voxels; a brain that fills its box leaves a fifth
MAX_NEGATIVE = 0.05  # of the 99th percentile, how far the first one may be below zero; splines overshoot a little
MIN_LENGTH = 0.95  # of a brain from front to back, over the larger of width and height; upright ones have 1.1 to 1.35
# Skewness upwards and backwards: upright ones have -0.07 to -0.22 and -0.12 to -0.27, reversed ones as much above 0. A head that
# looks up by 25 degrees, or down by 35, is as skewed as a reversed one, and cannot be told from it by shape.
MAX_REVERSAL = 0.06
POSTURE_EDGE = 3.0  # mm, between the voxels on which both are measured
MAX_EQUAL = 0.6  # share of the foreground that may equal the next voxel; of a label image nearly all of it does
TURN = "give the header the right orientation"
TILT = "or of a head that is tilted by 20 degrees or more; bring it upright, as the registration of --prepare True does"
CENTIMETRES = "in centimetres its voxel sizes would be a brain's: they are read as mm, so multiply them by 10"
REMEDY = "whole heads are prepared by --prepare True in inference, and by configs/prepare.yaml for a training"


def find_doubts(image: np.ndarray, affine: np.ndarray) -> list[str]:
    """Look for signs that an image is no brain without skull with background zero.

    Args:
        image: Intensities, shape (H, W), (H, W, 1) or (H, W, D).
        affine: Voxel to world matrix in mm, shape (4, 4).

    Returns:
        A sentence for each doubt, which starts with its kind and a colon; none for a brain.
    """
    foreground = image != 0
    doubt = _doubt_background(foreground, affine) or _doubt_posture(foreground, affine)
    return [*([] if doubt is None else [doubt]), *find_odd_intensities(image)]


def find_odd_intensities(image: np.ndarray) -> list[str]:
    """Look for signs that the intensities of an image are not those of a scanner, of whatever part of a head it shows.

    Args:
        image: Intensities, background zero, any shape.

    Returns:
        A sentence for each doubt, as in `find_doubts`.
    """
    found = (doubt(image, image != 0) for doubt in (_doubt_sign, _doubt_labels))
    return [doubt for doubt in found if doubt is not None]


def measure_volume(mask: np.ndarray, affine: np.ndarray) -> float:
    """Return the volume in ml of a mask, shape (X, Y, Z), with its voxel to world matrix in mm."""
    return float(np.count_nonzero(mask) * abs(np.linalg.det(affine[:3, :3])) / 1000)


def _doubt_background(foreground: np.ndarray, affine: np.ndarray) -> str | None:
    """Doubt a foreground that is larger or smaller than a brain."""
    background = 1 - float(foreground.mean())
    if background < MIN_BACKGROUND:
        return (
            f"background is not zero: only {background:.1%} of the voxels are 0, as in a whole head or in standardised"
            f" intensities; {REMEDY}"
        )
    wide = [axis for axis in range(foreground.ndim) if foreground.shape[axis] > 1]
    if len(wide) == 3:
        kind, unit, size = "volume", "ml", measure_volume(foreground, affine)
        low, high = BRAIN_VOLUME[0] * LOOSE[0], BRAIN_VOLUME[1] * LOOSE[1]
    else:
        kind, unit, (low, high) = "area", "cm2", SLICE_AREA
        size = int(np.count_nonzero(foreground)) * float(np.prod(np.linalg.norm(affine[:3, wide], axis=0))) / 100
    if low <= size <= high:
        return None
    remedy = CENTIMETRES if low <= size * 10 ** len(wide) <= high else REMEDY
    return f"{kind} is no brain's: {size:.0f} {unit} are not zero, expected are {low:g} to {high:g} {unit}; {remedy}"


def _doubt_posture(foreground: np.ndarray, affine: np.ndarray) -> str | None:
    """Doubt a brain that is not longest from front to back, or of which the narrow end is not where it is in an upright one.

    Left and right cannot be told, as a brain is nearly symmetric.
    """
    if foreground.ndim != 3 or 1 in foreground.shape:
        return None
    steps = np.maximum(1, np.rint(POSTURE_EDGE / voxel_sizes(affine))).astype(int)
    points = np.argwhere(foreground[tuple(slice(None, None, step) for step in steps)]) @ (affine[:3, :3] * steps).T  # (N, 3), mm
    lengths = points.std(axis=0)
    x, y, z = ((points - points.mean(axis=0)) / lengths).T
    if lengths[1] < MIN_LENGTH * lengths.max():
        return (
            f"orientation: by its header the brain is {lengths[1] / lengths.max():.2f} times as long from front to back as it is"
            f" wide or high, upright ones are longer, as of a scan that is turned by 90 degrees ({TURN}), {TILT}"
        )
    for skewness, side in ((float(((x**2 + y**2) * z).mean()), "upside down"), (-float((y**3).mean()), "back to front")):
        if skewness > MAX_REVERSAL:
            return (
                f"orientation: by its header the brain is shaped as one that lies {side}, as of a scan whose voxels are stored"
                f" in reverse ({TURN}), {TILT}"
            )
    return None


def _doubt_sign(image: np.ndarray, foreground: np.ndarray) -> str | None:
    """Doubt intensities below zero."""
    if image.min() >= 0:
        return None
    low, high = (float(value) for value in np.percentile(image[foreground], (1, 99)))
    if low >= -MAX_NEGATIVE * high:
        return None
    return (
        f"intensities are negative: a hundredth of what is not zero lies below {low:.3g}, as in standardised scans (z-scores);"
        " the network must have been trained on such scans"
    )


def _doubt_labels(image: np.ndarray, foreground: np.ndarray) -> str | None:
    """Doubt whole numbers that neighbours share."""
    foreground = foreground & (image != image.flat[0])  # a background that is not zero is no label
    values = image[foreground]
    if not (values == np.rint(values)).all():
        return None
    equal = float((image[1:] == image[:-1])[foreground[1:]].mean()) if foreground[1:].any() else 0.0
    if equal <= MAX_EQUAL:
        return None
    return (
        f"intensities are labels: {len(np.unique(values))} different whole numbers, and {equal:.0%} of the voxels equal the next"
        " one, as in a mask or segmentation"
    )
