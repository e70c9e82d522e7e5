"""What inference has written: rows of scans, their images, and addresses of their pages."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes

import nibabel
import numpy as np

from bundle.data.discovery import IMAGES
from bundle.data.formats import describe_failure
from bundle.data.scans import LoadScan
from bundle.files import unescape_name
from bundle.inference.explained_scans import PAGE
from bundle.inference.overview import name_class
from bundle.inference.predictions import TABLE
from bundle.viewer.layers import Layer, make_layers

ENDING = "_fa_mean.nii.gz"  # of a file that each scan has

Row = dict[str, str]


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


class Results:
    """The folder of an inference.

    Args:
        folder: where inference has written to.
        class_names: names of the classes; empty where the checkpoint has none.
        target_value: age in years that scans were translated to; None for none.
    """

    def __init__(self, folder: str | Path, class_names: Sequence[str] = (), target_value: float | None = None) -> None:
        self.folder, self.class_names, self.target_value = Path(folder).absolute(), list(class_names), target_value

    def read_rows(self) -> list[Row]:
        """Return the rows of `predictions.csv`; none where it is absent."""
        path = self.folder / TABLE
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def read_image(self, row: Row, key: str) -> np.ndarray:
        """Return an image of a scan, shape (H, W, D), float32.

        Args:
            row: row of the scan.
            key: one of `IMAGES`.

        Raises:
            ValueError: When it cannot be read.
        """
        path = Path(f"{self._find_stem(row)}_{key}.nii.gz")
        try:
            image: Any = nibabel.load(path)  # type: ignore[attr-defined]
            return _make_volume(np.asarray(image.dataobj, dtype=np.float32))
        except Exception as error:  # nibabel, gzip and zlib each raise their own
            raise ValueError(describe_failure(path, error)) from error

    def read_scan(self, row: Row) -> ShownScan:
        """Read a scan and its images.

        Args:
            row: row of the scan.

        Raises:
            FileNotFoundError: When the scan is not where it was.
            ValueError: When a file cannot be read, or the images lie on another grid than the scan.
        """
        stem = self._find_stem(row)
        images = {key: self.read_image(row, key) for key in IMAGES if Path(f"{stem}_{key}.nii.gz").is_file()}
        scan = LoadScan(constant=True, max_voxels=np.inf)(unescape_name(row["scan"]))  # inference has checked it
        array = _make_volume(scan.as_tensor()[0].numpy())
        if different := [key for key, image in images.items() if image.shape != array.shape]:
            shape = images[different[0]].shape
            raise ValueError(f"{row['scan']} has the shape {array.shape}, and its {different[0]} {shape}: run inference again")
        return ShownScan(array, scan.affine.numpy(), make_layers(images, row, self.class_names, self.target_value))

    def name_page(self, row: Row) -> Path:
        """Return the file of the page of a scan."""
        stem = self._find_stem(row)
        return stem.with_name(f"{stem.name}_{PAGE}")

    def link(self, row: Row, start: Row | None = None) -> str:
        """Return the address of a scan's page, as seen from the page of the cohort, or from that of another scan."""
        path = quote_from_bytes(bytes(self.name_page(row).relative_to(self.folder)))
        return (self.climb(start) if start else "./") + path  # a name may hold a colon

    def climb(self, row: Row) -> str:
        """Return the address of the folder, as seen from the page of a scan."""
        return "../" * (len(self.name_page(row).relative_to(self.folder).parts) - 1) or "./"

    def name_classes(self, row: Row) -> tuple[str, str]:
        """Return the names of the predicted and of the target class of a scan."""
        predicted, target = (name_class(int(row[key]), self.class_names) for key in ("predicted_class", "target_class"))
        return predicted, target

    def list_probabilities(self, row: Mapping[str, str]) -> list[tuple[str, float]]:
        """Return name and probability of each class."""
        labels = range(sum(key.startswith("probability_") for key in row))
        return [(name_class(label, self.class_names), float(row[f"probability_{label}"])) for label in labels]

    def _find_stem(self, row: Row) -> Path:
        """Return the path of the files of a scan without their endings."""
        return Path(unescape_name(f"{self.folder / row['name']}{ENDING}").removesuffix(ENDING))


def _make_volume(array: np.ndarray) -> np.ndarray:
    """Return a slice of shape (H, W) as a volume (H, W, 1); others lose axes of one voxel after the third."""
    return array.reshape(*array.shape[:3], *[1] * (3 - array.ndim))
