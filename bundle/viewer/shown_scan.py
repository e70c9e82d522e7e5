"""A scan and all that a page lays over it."""

from typing import NamedTuple

import numpy as np

from bundle.data.discovery import IMAGES, SERIES
from bundle.data.scans import LoadScan
from bundle.files import unescape_name
from bundle.inference.results import Results, Row, make_volume
from bundle.viewer.layers import Layer, make_layers
from bundle.viewer.walks import ShownWalk, make_walks

DRAWS = "fa_draws"


class ShownScan(NamedTuple):
    """A scan with its images, all on its own grid.

    Attributes:
        scan: intensities, shape (H, W, D).
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
        layers: what can be laid over it, the mean map first.
        draws: single maps, shape (H, W, D, N).
        walks: walks to another class or age.
    """

    scan: np.ndarray
    affine: np.ndarray
    layers: list[Layer]
    draws: np.ndarray
    walks: list[ShownWalk]


def read_scan(results: Results, row: Row) -> ShownScan:
    """Read a scan and its images.

    Args:
        results: the folder.
        row: row of the scan.

    Raises:
        FileNotFoundError: When the scan, or its truth, is not where it was.
        ValueError: When a file cannot be read, or the images lie on another grid than the scan.
    """
    images = {key: results.read_image(row, key) for key in IMAGES if results.find_image(row, key).is_file()}
    series = {key: results.read_series(row, key) for key in SERIES if results.find_image(row, key).is_file()}
    scan = LoadScan(constant=True, max_voxels=np.inf)(unescape_name(row["scan"]))  # inference has checked it
    array = make_volume(scan.as_tensor()[0].numpy())
    if row.get("truth"):
        truth = LoadScan(constant=True, max_voxels=np.inf)(unescape_name(row["truth"]))
        images["truth"] = make_volume(truth.as_tensor()[0].numpy())
    if different := [key for key, image in (images | series).items() if image.shape[:3] != array.shape]:
        shape = (images | series)[different[0]].shape[:3]
        raise ValueError(f"{row['scan']} has the shape {array.shape}, and its {different[0]} {shape}: run inference again")
    given = row, results.class_names, results.target_value
    draws = series.get(DRAWS, np.zeros((*array.shape, 0), dtype=np.float32))
    return ShownScan(array, scan.affine.numpy(), make_layers(images, *given), draws, make_walks(series, *given))
