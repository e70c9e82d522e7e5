"""One scan of an inference: the state of its files, what is doubtful about it, and the files that are written for it."""

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import MetaTensor
from monai.utils.enums import CommonKeys as Keys

from bundle.data.discovery import IMAGES, SERIES
from bundle.data.headers import WARNINGS_KEY, unpack_fields
from bundle.files import make_nifti, write_atomically, write_nifti
from bundle.inference.overview import Overview

FILES = {Keys.PRED: "fa_mean"} | {key: key for key in IMAGES if key != "fa_mean"}
PAGE = "page.html"  # of the viewer
ENDINGS = (*(f"{name}.nii.gz" for name in (*FILES.values(), *SERIES)), "overview.png", PAGE)
LEVELS = 4095  # steps between the least and the largest value of a series


def describe_state(item: Mapping[str, Any]) -> str:
    """Return size in bytes and time of the last change in ns of each file of a scan; empty when one is absent.

    Args:
        item: scan, from `find_scans`.
    """
    try:
        states = [Path(item[key]).stat() for key in ("image", "raw_image", "transform") if key in item]
    except OSError:
        return ""
    return " ".join(f"{state.st_size}@{state.st_mtime_ns}" for state in states)


def list_warnings(item: Mapping[str, Any]) -> list[str]:
    """Return what is doubtful about the scan of an item, in sentences; nothing of a scan that could not be read."""
    return list(getattr(item.get(Keys.IMAGE), "meta", {}).get(WARNINGS_KEY) or [])


def take_array(image: MetaTensor) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return an image (1, H, W[, D]) as an array (H, W[, D]), single precision, with affine and header fields of its scan."""
    return image.as_tensor()[0].float().numpy(), image.affine.numpy(), unpack_fields(image.meta)


def write_explanation(item: dict[str, Any], output_dir: str | Path, overview: Overview | None = None) -> list[Path]:
    """Write the maps of one scan, and its picture: all of them or none.

    Args:
        item: scan after the postprocessing.
        output_dir: folder to write to; made when absent.
        overview: draws the picture; None for none.

    Returns:
        Paths of the files.

    Raises:
        OSError: When a file cannot be written.
    """
    stem = str(Path(output_dir) / item["name"])
    written: list[Path] = []
    try:
        for key, ending in FILES.items():
            if key in item:
                written.append(Path(f"{stem}_{ending}.nii.gz"))
                write_nifti(written[-1], *take_array(item[key]))
        for key in [key for key in SERIES if key in item]:
            written.append(Path(f"{stem}_{key}.nii.gz"))
            write_series(written[-1], item[key])
        if overview is not None:
            written.append(Path(f"{stem}_overview.png"))
            overview.save(item, written[-1])
    except OSError:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written


def write_series(path: str | Path, images: MetaTensor) -> None:
    """Write several images as one NIfTI file of shape (H, W, D, N), rounded to a 4095th of their range.

    Args:
        path: name ending in `.nii.gz`.
        images: shape (N, H, W[, D]).
    """
    array = images.as_tensor().float().numpy()
    low, high = float(array.min()), float(array.max())
    step = (high - low) / LEVELS or 1.0
    zero = round(low / step) * step  # a multiple of the step, so that what is 0 stays 0
    levels = np.round((array - zero) / step).astype(np.int16)
    levels = np.moveaxis(levels.reshape(len(levels), *(*levels.shape[1:], 1)[:3]), 0, -1)
    image = make_nifti(levels, images.affine.numpy(), unpack_fields(images.meta))
    image.header.set_slope_inter(step, zero)
    with write_atomically(path) as temporary:
        temporary.write_bytes(gzip.compress(image.to_bytes(), compresslevel=1, mtime=0))
