"""The quantity that is regressed, such as the age."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

VALUE = "value"  # key of the standardised quantity


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
        """Return `data` with `value`.

        Args:
            data: Item with the quantity.

        Returns:
            The item with the standardised quantity, a number.
        """
        item = dict(data)
        for key in self.key_iterator(item):
            item[VALUE] = (float(item[key]) - self.mean) / self.scale
        return item
