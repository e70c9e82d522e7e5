"""Intensities of a scan and of the network."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform

from bundle.data.scans import name_of

BACKGROUND = -1.0  # intensity outside the brain
INTENSITY_RANGE = "intensity_range"  # key of the metadata: intensities that became -1 and 1


class ScaleForeground(Transform):
    """Scale intensities to [-1, 1]: the background, exactly zero, becomes -1, a high percentile of the foreground 1.

    Foreground are the voxels that are not zero, so that the field of view has no influence. Scans without negative
    intensities are only multiplied and shifted, and what lies above the percentile is clipped. In scans with negative
    intensities (z-scores) the opposite percentile becomes -1, and the background as well.

    Args:
        percentile: percentile of the foreground that sets the scale, in (50, 100].
        headroom: what becomes 1, in multiples of that percentile, at least 1. A low percentile with headroom keeps what a disease
            makes bright from setting the scale.

    Raises:
        ValueError: When the percentile or the headroom is out of range.
    """

    def __init__(self, percentile: float = 99.5, headroom: float = 1.0) -> None:
        if not 50 < percentile <= 100:
            raise ValueError(f"percentile must be above 50 and at most 100, got {percentile}")
        if headroom < 1:
            raise ValueError(f"headroom must be at least 1, got {headroom}")
        self.percentile = percentile
        self.headroom = headroom

    def __call__(self, image: MetaTensor) -> MetaTensor:
        """Scale one image of any shape; the range that became [-1, 1] is noted in its metadata.

        Args:
            image: Scan with background zero.

        Returns:
            The scan in [-1, 1].

        Raises:
            ValueError: When all voxels of the foreground are equal.
        """
        foreground = image.as_tensor() != 0
        values = image.as_tensor()[foreground].double().numpy()
        low, high = np.percentile(values, [100 - self.percentile, self.percentile]) if len(values) else (0.0, 0.0)
        low = min(0.0, float(low))
        high = low + self.headroom * (high - low)
        if high <= low:
            raise ValueError(f"{name_of(image)} has no intensities above {low:g} in the network's field of view")
        scaled = (2 * (image.as_tensor() - low) / (float(high) - low) - 1).clamp(-1, 1).masked_fill(~foreground, -1)
        output = MetaTensor(scaled).copy_meta_from(image)
        output.meta[INTENSITY_RANGE] = torch.tensor([low, float(high)], dtype=torch.float64)
        return output


class ScaleForegroundd(MapTransform):
    """Dictionary version of `ScaleForeground`.

    Args:
        keys: keys of the scans.
        percentile: as in `ScaleForeground`.
        headroom: as in `ScaleForeground`.
        allow_missing_keys: whether keys may be absent.
    """

    def __init__(
        self, keys: KeysCollection, percentile: float = 99.5, headroom: float = 1.0, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.scale = ScaleForeground(percentile, headroom)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data` with scaled images.

        Args:
            data: Item with images.

        Returns:
            The item with images in [-1, 1].

        Raises:
            ValueError: When the foreground of a scan is constant.
        """
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self.scale(item[key])
        return item


class RestoreIntensitiesd(MapTransform):
    """Undo `ScaleForegroundd` on images that a network drew, such as the translated scan; not meant for maps.

    Args:
        keys: keys of images in [-1, 1].
        reference: key of the scan whose metadata has the range.
        allow_missing_keys: whether keys may be absent.
    """

    def __init__(self, keys: KeysCollection, reference: str = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.reference = reference

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data` with images in the intensities of the reference scan.

        Args:
            data: Item with images and the reference.

        Returns:
            The item with restored images.
        """
        item = dict(data)
        for key in self.key_iterator(item):
            low, high = item[self.reference].meta[INTENSITY_RANGE].tolist()
            item[key] = low + (item[key] + 1) / 2 * (high - low)
        return item
