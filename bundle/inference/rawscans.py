"""From a prepared scan back to the raw one."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from monai.transforms import Transform

from bundle.data.resampling import redirect


class AimAtRawScand(Transform):
    """Let `Invertd` bring the maps of a prepared scan to the grid of the raw scan, in one interpolation.

    Scans that do not come with `raw_image` (NIfTI file) and `transform` (text file of a matrix from the world of the raw scan
    to that of the prepared one) are left as they are, and their maps lie on their own grid.

    Args:
        key: key of the scan on the network's grid.
    """

    def __init__(self, key: str = "image") -> None:
        self.key = key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data` with another way back.

        Args:
            data: Item with the scan, and perhaps `raw_image` and `transform`.

        Returns:
            The item.

        Raises:
            ValueError: When the raw scan or the transform cannot be read.
        """
        item = dict(data)
        if "raw_image" not in item or "transform" not in item:
            return item
        try:
            raw: Any = nibabel.load(item["raw_image"])
            transform = np.loadtxt(item["transform"])
        except Exception as error:  # nibabel, gzip and NumPy each raise their own
            raise ValueError(
                f"{item['scan']}: maps cannot be written on the raw scan's grid ({error}): keep the raw scan where it was"
            ) from error
        if transform.shape != (4, 4) or not np.isfinite(transform).all():
            raise ValueError(f"{Path(item['transform'])} holds no matrix of 4 x 4 numbers")
        item[self.key] = redirect(item[self.key], np.asarray(raw.affine, dtype=np.float64), raw.shape, transform)
        return item
