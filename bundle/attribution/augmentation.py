"""Scans seen several times, mirrored and shifted, so that what a network draws can be averaged, and its scatter be seen."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from bundle.networks import ICAM
from bundle.networks.encoders import ATTRIBUTE_STRIDE

LARGEST_SHIFT = ATTRIBUTE_STRIDE // 2 - 1  # voxels; by more the attribute would have to be shifted too


class Viewing(NamedTuple):
    """How often a scan is seen: once; mirrored as well; and each of these shifted to and fro along each axis.

    Attributes:
        mirror_axis: spatial axis along which scans are mirrored, 0 for left to right; None for none.
        shift: voxels by which scans are shifted, cyclically; 0 for none.
    """

    mirror_axis: int | None = None
    shift: int = 0

    def check(self, spatial_dims: int) -> None:
        """Refuse views that there are not, before anything is computed.

        Args:
            spatial_dims: 2 or 3.

        Raises:
            ValueError: When scans have no such axis, or the shift is none.
        """
        if self.mirror_axis is not None and self.mirror_axis not in range(spatial_dims):
            raise ValueError(f"mirror_axis must be null or one of 0 to {spatial_dims - 1}, got {self.mirror_axis}")
        if self.shift not in range(LARGEST_SHIFT + 1):
            raise ValueError(f"shift must be a number of voxels, 0 to {LARGEST_SHIFT}, got {self.shift}")

    def mirror(self, image: Tensor) -> Tensor | None:
        """Return scans (B, C, H, W[, D]) as mirrored views show them; None where there are none."""
        return None if self.mirror_axis is None else image.flip(2 + self.mirror_axis)

    def list_poses(self, spatial_dims: int) -> Iterator["Pose"]:
        """Yield the poses, the scan as it is first; (1 + 2 dimensions) times as many with a shift, twice as many mirrored.

        Args:
            spatial_dims: 2 or 3.
        """
        still = (0,) * spatial_dims
        steps = [still]
        if self.shift:
            sides = ((axis, sign * self.shift) for axis in range(spatial_dims) for sign in (1, -1))
            steps += [still[:axis] + (step,) + still[axis + 1 :] for axis, step in sides]
        for axes in [()] if self.mirror_axis is None else [(), (2 + self.mirror_axis,)]:
            yield from (Pose(axes, step) for step in steps)


ONE_VIEW = Viewing()


class Pose(NamedTuple):
    """One way to see a scan.

    Attributes:
        axes: axes of a batch that are mirrored.
        step: voxels that scans are shifted by, along each spatial axis.
    """

    axes: tuple[int, ...]
    step: tuple[int, ...]

    def apply(self, image: Tensor) -> Tensor:
        """Return scans as they are seen."""
        return self.mirror(_roll(image, self.step))

    def undo(self, image: Tensor) -> Tensor:
        """Return what was drawn on such scans on the grid of the scans as they are."""
        return _roll(self.mirror(image), tuple(-step for step in self.step))

    def mirror(self, image: Tensor) -> Tensor:
        """Return scans mirrored if this pose is."""
        return image.flip(self.axes) if self.axes else image


class Views:
    """Encoded scans in all their poses. What is decoded is brought back to the grid of the scans.

    A network trained on scans that are mirrored and moved at random draws all views alike, but not the errors that it makes in
    each: the mean of their maps is nearer to the truth, and their scatter tells where the maps are wrong. Ours; compare Wang et
    al., Neurocomputing 2019, Sec. 3.2 (https://arxiv.org/abs/1807.07356).

    Args:
        network: trained network.
        image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
        viewing: which views there are, V.

    Raises:
        ValueError: When the scans have no such axis, or the shift is none.
    """

    def __init__(self, network: ICAM, image: Tensor, viewing: Viewing = ONE_VIEW) -> None:
        viewing.check(image.ndim - 2)
        self.network, self.image = network, image
        self.poses = list(viewing.list_poses(image.ndim - 2))
        self.latents = [network.encode(pose.apply(image)) for pose in self.poses]

    def decode(self, attribute: Tensor, mirrored: Tensor | None = None) -> Tensor:
        """Return translations (V, n * B, C, H, W[, D]), as `decode_each`."""
        return torch.stack(list(self.decode_each(attribute, mirrored)))

    def decode_each(self, attribute: Tensor, mirrored: Tensor | None = None) -> Iterator[Tensor]:
        """Yield the translations of each view, which are all that is in memory, (n * B, C, H, W[, D]).

        Args:
            attribute: attributes of `ICAM.tell`, n a scan.
            mirrored: those of mirrored reference scans, for the mirrored views; None for the same. An attribute that is itself
                mirrored need not be of its class: networks do not keep place by place what is where.
        """
        other = attribute if mirrored is None else mirrored
        return self._decode([other if pose.axes else attribute for pose in self.poses])

    def reconstruct(self, target: Tensor | None = None) -> Tensor:
        """Return the scans with their own attributes, shape (V, B, C, H, W[, D]).

        Args:
            target: classes that the scans are not of, for generators that are told a class; shape (B,).
        """
        means = [latents.mean for latents in self.latents]
        told = means if target is None else [self.network.tell(mean, target, other=True) for mean in means]
        return torch.stack(list(self._decode(told)))

    def _decode(self, attributes: list[Tensor]) -> Iterator[Tensor]:
        """Decode each view with its attributes, and bring it back."""
        for pose, latents, attribute in zip(self.poses, self.latents, attributes, strict=True):
            yield pose.undo(self.network.decode(latents.content, attribute))


def _roll(image: Tensor, step: tuple[int, ...]) -> Tensor:
    return image.roll(step, tuple(range(2, image.ndim))) if any(step) else image
