"""Scales: of intensities, and of the quantity that is regressed, such as the age."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from bundle.data.scans import name_of

BACKGROUND = -1.0  # intensity outside the brain
INTENSITY_RANGE = "intensity_range"  # key of the metadata: intensities that became -1 and 1
VALUE = "value"  # key of the standardised quantity


class ScaleForegroundd(MapTransform):
    """Scale intensities to [-1, 1]: the background, exactly zero, becomes -1, a high percentile of the foreground 1.

    Foreground are the voxels that are not zero, so that the field of view has no influence. Scans without negative
    intensities are only multiplied and shifted, and what lies above the percentile is clipped. In scans with negative
    intensities (z-scores) the opposite percentile becomes -1, and the background as well.

    Args:
        keys: keys of the scans.
        percentile: percentile of the foreground that sets the scale, in (50, 100].
        headroom: what becomes 1, in multiples of that percentile, at least 1. A low percentile with headroom keeps what a disease
            makes bright from setting the scale.
        allow_missing_keys: whether keys may be absent.

    Raises:
        ValueError: When the percentile or the headroom is out of range; on a scan whose foreground is constant.
    """

    def __init__(
        self, keys: KeysCollection, percentile: float = 99.5, headroom: float = 1.0, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if not 50 < percentile <= 100:
            raise ValueError(f"percentile must be above 50 and at most 100, got {percentile}")
        if headroom < 1:
            raise ValueError(f"headroom must be at least 1, got {headroom}")
        self.percentile = percentile
        self.headroom = headroom

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data` with images in [-1, 1]; the range that became it is in their metadata."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self._scale(item[key])
        return item

    def _scale(self, image: MetaTensor) -> MetaTensor:
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
        """Return `data` with images in the intensities of the reference scan."""
        item = dict(data)
        for key in self.key_iterator(item):
            low, high = item[self.reference].meta[INTENSITY_RANGE].tolist()
            item[key] = low + (item[key] + 1) / 2 * (high - low)
        return item


class StandardiseValued(MapTransform):
    """Add the standardised quantity, (x - mean) / scale, under the key `value`, so that its loss is of the order of one.

    Args:
        keys: key of the quantity, such as the age in years.
        mean: quantity that becomes 0, in its own unit.
        scale: difference that becomes 1, in its own unit, above 0.
        allow_missing_keys: whether the quantity may be absent; nothing is added then.

    Raises:
        ValueError: When there are several keys, or `scale` is not above 0.
    """

    def __init__(self, keys: KeysCollection, mean: float, scale: float, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1 or scale <= 0:
            raise ValueError(f"one key and a scale above 0 are accepted, got the keys {self.keys} and the scale {scale}")
        self.mean = mean
        self.scale = scale

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data` with the standardised quantity, a number."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[VALUE] = (float(item[key]) - self.mean) / self.scale
        return item
