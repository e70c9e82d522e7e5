"""Test-time augmentation: scans are mirrored and shifted, and the maps of these views averaged."""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

from bundle.networks.encoders import ATTRIBUTE_STRIDE

LARGEST_SHIFT = ATTRIBUTE_STRIDE // 2 - 1  # voxels; by more the attribute would have to be shifted too


class View(NamedTuple):
    """One view of a scan.

    Attributes:
        flipped: axes of a batch that are mirrored.
        shift: cyclic shift along each spatial axis, voxels.
    """

    flipped: tuple[int, ...]
    shift: tuple[int, ...]

    def apply(self, image: Tensor) -> Tensor:
        """Return scans (B, C, H, W[, D]) in this view."""
        rolled = image.roll(self.shift, tuple(range(2, image.ndim))) if any(self.shift) else image
        return rolled.flip(self.flipped) if self.flipped else rolled

    def undo(self, image: Tensor) -> Tensor:
        """Return images made in this view (B, C, H, W[, D]) on the grid of the scans."""
        flipped = image.flip(self.flipped) if self.flipped else image
        back = tuple(-step for step in self.shift)
        return flipped.roll(back, tuple(range(2, image.ndim))) if any(back) else flipped


class TestTimeAugmentation(NamedTuple):
    """Views of a scan: as it is, mirrored, and each of these shifted to and fro along each axis.

    A network trained on scans that are mirrored and moved at random draws all views alike, but makes other errors in each: the
    mean of their maps is nearer to the truth, and their variance shows where the maps are wrong.

    Source: Wang et al., Neurocomputing 2019, Sec. 3.2 (https://arxiv.org/abs/1807.07356), for segmentation.

    Attributes:
        mirror_axis: spatial axis along which scans are mirrored, 0 for left to right; None for none.
        shift: voxels by which scans are shifted, cyclically; 0 for none.
    """

    mirror_axis: int | None = None
    shift: int = 0

    def check(self, spatial_dims: int) -> None:
        """Refuse views that do not exist, before anything is computed.

        Args:
            spatial_dims: 2 or 3.

        Raises:
            ValueError: When scans have no such axis, or the shift is out of range.
        """
        known = self.mirror_axis in range(spatial_dims) and type(self.mirror_axis) is int  # neither True nor 0.0
        if self.mirror_axis is not None and not known:
            raise ValueError(f"mirror_axis must be none or one of 0 to {spatial_dims - 1}, got {self.mirror_axis}")
        if self.shift not in range(LARGEST_SHIFT + 1):
            raise ValueError(f"shift must be a number of voxels, 0 to {LARGEST_SHIFT}, got {self.shift}")

    def mirror(self, image: Tensor) -> Tensor | None:
        """Return scans (B, C, H, W[, D]) mirrored; None where no view is."""
        return None if self.mirror_axis is None else image.flip(2 + self.mirror_axis)

    def list_views(self, spatial_dims: int) -> Iterator[View]:
        """Yield the views, the scan as it is first; (1 + 2 dimensions) times as many with a shift, twice as many mirrored.

        Args:
            spatial_dims: 2 or 3.
        """
        still = (0,) * spatial_dims
        shifts = [still]
        if self.shift:
            sides = ((axis, sign * self.shift) for axis in range(spatial_dims) for sign in (1, -1))
            shifts += [still[:axis] + (step,) + still[axis + 1 :] for axis, step in sides]
        for flipped in [()] if self.mirror_axis is None else [(), (2 + self.mirror_axis,)]:
            yield from (View(flipped, shift) for shift in shifts)


TestTimeAugmentation.__test__ = False  # type: ignore[attr-defined]  # its name does not make it a test for pytest
NO_AUGMENTATION = TestTimeAugmentation()
