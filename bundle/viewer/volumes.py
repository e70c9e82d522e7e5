"""Images of a scan as small volumes inside a page."""

import base64
import gzip
from typing import NamedTuple

import numpy as np

from bundle.files import make_nifti

STEPS = 200  # from zero to the end of the colours
GREYS = 255  # steps of the intensities of a scan


class PackedVolume(NamedTuple):
    """A quantised image.

    Attributes:
        text: compressed NIfTI file in base64.
        step: difference of neighbouring values; the image is kept within half of it.
    """

    text: str
    step: float


def pack_map(values: np.ndarray, affine: np.ndarray, limit: float) -> PackedVolume:
    """Pack a map in steps of about a 200th of the range of its colours, in 8 bits where its values fit.

    Args:
        values: the map, shape (H, W, D).
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
        limit: magnitude at which the colours end, above 0.
    """
    step = max(_round_down(limit / STEPS), float(np.abs(values).max()) / np.iinfo(np.int16).max)
    levels = np.round(values / step)
    kind = np.int8 if np.abs(levels).max() <= np.iinfo(np.int8).max else np.int16
    return PackedVolume(_encode(levels.astype(kind), affine, step), step)


def pack_scan(values: np.ndarray, affine: np.ndarray) -> PackedVolume:
    """Pack the intensities of a scan in 256 steps from the least to the largest.

    Args:
        values: the scan, shape (H, W, D).
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
    """
    low, high = float(values.min()), float(values.max())
    step = (high - low) / GREYS or 1.0
    return PackedVolume(_encode(np.round((values - low) / step).astype(np.uint8), affine, step, low), step)


def pack_bytes(content: bytes) -> str:
    """Return bytes compressed, in base64; the same text for the same bytes."""
    return base64.b64encode(gzip.compress(content, compresslevel=6, mtime=0)).decode()


def _encode(levels: np.ndarray, affine: np.ndarray, step: float, low: float = 0.0) -> str:
    image = make_nifti(levels, affine)
    image.header.set_slope_inter(step, low)
    image.header["descrip"] = b"quantised"
    return pack_bytes(image.to_bytes())


def _round_down(value: float) -> float:
    """Return the next lower of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(factor for factor in (1, 2, 5) if factor * power <= value * (1 + 1e-9)) * power)
