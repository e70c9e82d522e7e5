"""Which scans a network was trained on, by a few numbers of each scan that hold no name and no face.

A signature is the mean of the network's input in three parts along each axis. It stays the same when a scan is copied, renamed,
compressed, or stored in other units or another voxel order, and two scans of one person have different ones.
"""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import torch
from monai.transforms import MapTransform
from torch import Tensor
from torch.nn import functional

from bundle.checkpoints import read_about
from bundle.data.headers import WARNINGS_KEY
from bundle.data.scans import without_metadata

PARTS = 3  # along each axis
TOLERANCE = 1e-5  # network intensity; noise alone moves a part's mean by more
SCANS = "training_scans"  # in what a checkpoint holds beside its weights
SEEN = "the network was trained on this scan: its class and map say nothing about new scans"


def compute_signature(image: Tensor) -> Tensor:
    """Return the signature of a network input, shape (1, H, W[, D]), as 3^2 or 3^3 numbers."""
    pool = {2: functional.adaptive_avg_pool2d, 3: functional.adaptive_avg_pool3d}[image.ndim - 1]
    return pool(without_metadata(image).detach().cpu().double(), PARTS).flatten().float()


def find_known(signature: Tensor, known: Tensor | None) -> bool:
    """Return whether a signature is among others, shape (N, P); never where there are none or of another dimension."""
    if known is None or not known.numel() or known.shape[1] != len(signature):
        return False
    return bool(((known - signature).abs().amax(1) < TOLERANCE).any())


class RecordScansd(MapTransform):
    """Note the signature of every scan that passes, and return it as it is; in a cached dataset every scan passes once.

    Args:
        keys: the scan, on the network's grid.
        allow_missing_keys: whether an item may lack it.
    """

    def __init__(self, keys: Any = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.found: set[tuple[float, ...]] = set()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Note the signature of an item's scan."""
        for key in self.key_iterator(dict(data)):
            self.found.add(tuple(compute_signature(data[key]).tolist()))
        return dict(data)

    def list_signatures(self) -> Tensor:
        """Return the signatures, shape (N, P), in an order that does not depend on that of the scans."""
        return torch.tensor(sorted(self.found))


class MarkTrainingScansd(MapTransform):
    """Add a warning to the metadata of a scan that the network was trained on.

    Args:
        keys: the scan, on the network's grid.
        checkpoint: file of the network; one without signatures gives no warning.
        allow_missing_keys: whether an item may lack the scan.
    """

    def __init__(self, keys: Any, checkpoint: str | Path, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.known: Tensor | None = read_about(checkpoint).get(SCANS)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Mark an item's scan."""
        item = dict(data)
        for key in self.key_iterator(item):
            if find_known(compute_signature(item[key]), self.known):
                image = item[key]
                image.meta[WARNINGS_KEY] = [*image.meta.get(WARNINGS_KEY, []), SEEN]
        return item
