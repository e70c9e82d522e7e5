"""A scan and all that a page lays over it."""

from typing import NamedTuple

import numpy as np

from bundle.data.discovery import IMAGES
from bundle.data.scans import LoadScan
from bundle.files import unescape_name
from bundle.inference.results import Results, Row, make_volume
from bundle.viewer.layers import Layer, make_layers


class ShownScan(NamedTuple):
    """A scan with its images, all on its own grid.

    Attributes:
        scan: intensities, shape (H, W, D).
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
        layers: what can be laid over it, the mean map first.
    """

    scan: np.ndarray
    affine: np.ndarray
    layers: list[Layer]


def read_scan(results: Results, row: Row) -> ShownScan:
    """Read a scan and its images.

    Args:
        results: the folder.
        row: row of the scan.

    Raises:
        FileNotFoundError: When the scan is not where it was.
        ValueError: When a file cannot be read, or the images lie on another grid than the scan.
    """
    images = {key: results.read_image(row, key) for key in IMAGES if results.find_image(row, key).is_file()}
    scan = LoadScan(constant=True, max_voxels=np.inf)(unescape_name(row["scan"]))  # inference has checked it
    array = make_volume(scan.as_tensor()[0].numpy())
    if different := [key for key, image in images.items() if image.shape != array.shape]:
        shape = images[different[0]].shape
        raise ValueError(f"{row['scan']} has the shape {array.shape}, and its {different[0]} {shape}: run inference again")
    return ShownScan(array, scan.affine.numpy(), make_layers(images, row, results.class_names, results.target_value))
