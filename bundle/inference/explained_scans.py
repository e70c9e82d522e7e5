"""One scan of an inference: the state of its files, what is doubtful about it, and the files that are written for it."""

import errno
import gzip
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import MetaTensor
from monai.utils.enums import CommonKeys as Keys

from bundle.data.bids import name_derivative, write_camel_case, write_text
from bundle.data.discovery import IMAGES, SERIES
from bundle.data.headers import WARNINGS_KEY, unpack_fields
from bundle.files import make_nifti, name_temporary, write_atomically, write_nifti
from bundle.inference.overview import Overview

OVERVIEW, PAGE = "overview.png", "page.html"  # the page is of the viewer
LEVELS = 4095  # steps between the least and the largest value of a series


def name_image(name: str, key: str, derived: bool) -> str:
    """Return the path of an image below the folder of the results; those with several images have plain names in BIDS too.

    Args:
        name: name of its scan.
        key: one of `bundle.data.discovery.IMAGES` or `SERIES`.
        derived: whether it is named as a BIDS derivative.
    """
    return f"{name_derivative(name, write_camel_case(key)) if derived and key in IMAGES else f'{name}_{key}'}.nii.gz"


def list_files(
    name: str, derived: bool, keys: Iterable[str] = (*IMAGES, *SERIES), others: Iterable[str] = (OVERVIEW, PAGE)
) -> list[str]:
    """Return the paths of the files of a scan below the folder of the results: images, their sidecars in BIDS, and others.

    Args:
        name: its name.
        derived: whether they are named as BIDS derivatives.
        keys: of its images.
        others: endings of its other files.
    """
    images = {key: name_image(name, key, derived) for key in keys}
    sidecars = [images[key].replace(".nii.gz", ".json") for key in images if derived and key in IMAGES]
    return [*images.values(), *sidecars, *(f"{name}_{ending}" for ending in others)]


def is_too_long(name: str, folder: Path, derived: bool) -> bool:
    """Check whether the name of a scan, or its path, is too long for those of its files.

    Args:
        name: its name.
        folder: where the results go; it exists.
        derived: whether they are named as BIDS derivatives.
    """
    longest = max(list_files(name, derived), key=len)
    for path in (folder / longest, folder / Path(longest).name):
        try:
            os.lstat(name_temporary(path))
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return True
    return False


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


def write_explanation(
    item: dict[str, Any],
    output_dir: str | Path,
    overview: Overview | None = None,
    describe: Callable[[Mapping[str, Any], str], Mapping[str, Any]] | None = None,
) -> list[Path]:
    """Write the maps of one scan, and its picture: all of them or none.

    Args:
        item: scan after the postprocessing.
        output_dir: folder to write to; made when absent.
        overview: draws the picture; None for none.
        describe: gives the sidecar of an image of the scan, by its key: names are then those of BIDS. None for plain names.

    Returns:
        Paths of the files.

    Raises:
        OSError: When a file cannot be written.
    """
    written: list[Path] = []
    try:
        for key in IMAGES:
            image = item.get(Keys.PRED if key == "fa_mean" else key)
            if image is None:
                continue
            written.append(Path(output_dir) / name_image(item["name"], key, describe is not None))
            write_nifti(written[-1], *take_array(image))
            if describe is not None:
                written.append(Path(str(written[-1]).replace(".nii.gz", ".json")))
                write_text(written[-1], json.dumps(describe(item, key), indent=2) + "\n")
        for key in [key for key in SERIES if key in item]:
            written.append(Path(output_dir) / name_image(item["name"], key, describe is not None))
            write_series(written[-1], item[key])
        if overview is not None:
            written.append(Path(f"{Path(output_dir) / item['name']}_{OVERVIEW}"))
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
