"""What inference has written: rows of scans, their files, and addresses of their pages."""

import csv
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from bundle.data.formats import describe_failure
from bundle.files import decode_name, quote_path
from bundle.inference.explained_scans import PAGE, name_image
from bundle.inference.overview import name_class
from bundle.inference.predictions import LAYOUT, RECORD, TABLE
from bundle.records import read_record

Row = dict[str, str]


class Results:
    """The folder of an inference.

    Args:
        folder: where inference has written to.
        class_names: names of the classes; empty where the checkpoint has none.
        target_value: age in years that scans were translated to; None for none.
    """

    def __init__(self, folder: str | Path, class_names: Sequence[str] = (), target_value: float | None = None) -> None:
        self.folder, self.class_names, self.target_value = Path(folder).absolute(), list(class_names), target_value

    @cached_property
    def is_derived(self) -> bool:
        """Whether images have names of BIDS."""
        return (read_record(self.folder / RECORD, None) or {}).get(LAYOUT) == "bids"

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
            key: one of `bundle.data.discovery.IMAGES`.

        Raises:
            ValueError: When it cannot be read.
        """
        return make_volume(self._read(row, key))

    def read_series(self, row: Row, key: str) -> np.ndarray:
        """Return several images of a scan, shape (H, W, D, N), float32.

        Args:
            row: row of the scan.
            key: one of `bundle.data.discovery.SERIES`.

        Raises:
            ValueError: When they cannot be read.
        """
        array = self._read(row, key)
        return array.reshape(*(*array.shape, 1)[:4])

    def _read(self, row: Row, key: str) -> np.ndarray:
        path = self.find_image(row, key)
        try:
            image: Any = nibabel.load(path)  # type: ignore[attr-defined]
            return np.asarray(image.dataobj, dtype=np.float32)
        except Exception as error:  # nibabel, gzip and zlib each raise their own
            raise ValueError(describe_failure(path, error)) from error

    def find_image(self, row: Row, key: str) -> Path:
        """Return the file of an image of a scan, which need not be there.

        Args:
            row: row of the scan.
            key: one of `bundle.data.discovery.IMAGES` or `SERIES`.
        """
        return self.folder / name_image(self._find_name(row), key, self.is_derived)

    def name_page(self, row: Row) -> Path:
        """Return the file of the page of a scan."""
        return self.folder / f"{self._find_name(row)}_{PAGE}"

    def link(self, row: Row, start: Row | None = None) -> str:
        """Return the address of a scan's page, as seen from the page of the cohort, or from that of another scan."""
        return (self.climb(start) if start else "./") + quote_path(self.name_page(row), self.folder)  # a name may hold a colon

    def climb(self, row: Row) -> str:
        """Return the address of the folder, as seen from the page of a scan."""
        return "../" * (len(self.name_page(row).relative_to(self.folder).parts) - 1) or "./"

    def name_classes(self, row: Row) -> tuple[str, str]:
        """Return the names of the predicted and of the target class of a scan; empty for a target that it has not."""
        keys = ("predicted_class", "target_class")
        predicted, target = (name_class(int(row[key]), self.class_names) if row[key] else "" for key in keys)
        return predicted, target

    def name_true_class(self, row: Mapping[str, str]) -> str:
        """Return the name of the class that a scan has; empty where it is not known."""
        return name_class(int(row["label"]), self.class_names) if row.get("label") else ""

    def list_probabilities(self, row: Mapping[str, str]) -> list[tuple[str, float]]:
        """Return name and probability of each class."""
        labels = range(sum(key.startswith("probability_") for key in row))
        return [(name_class(label, self.class_names), float(row[f"probability_{label}"])) for label in labels]

    def _find_name(self, row: Row) -> str:
        """Return the name of a scan as its files have it: in the table bytes that are no UTF-8 are escaped."""
        name, decoded = row["name"], decode_name(row["name"])
        images = [self.folder / name_image(each, "fa_mean", self.is_derived) for each in (name, decoded)]
        return decoded if images[1].exists() and not images[0].exists() else name


def make_volume(array: np.ndarray) -> np.ndarray:
    """Return a slice of shape (H, W) as a volume (H, W, 1); others lose axes of one voxel after the third."""
    return array.reshape(*array.shape[:3], *[1] * (3 - array.ndim))
