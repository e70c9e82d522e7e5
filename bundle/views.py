"""Scans seen once, or once more mirrored, so that what a network draws can be averaged over both."""

from torch import Tensor

from bundle.networks import ICAM


class Views:
    """Encoded scans, as they are and on request mirrored. What is decoded is mirrored back and averaged.

    A network trained on scans that are mirrored at random draws both views alike, but not the errors that it makes in each; the
    mean of two maps is nearer to the truth than either. Ours.

    Args:
        network: trained network.
        image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
        mirror_axis: spatial axis along which the second view is mirrored, 0 for left to right; None for one view.

    Raises:
        ValueError: When the scans have no such axis.
    """

    def __init__(self, network: ICAM, image: Tensor, mirror_axis: int | None = None) -> None:
        if mirror_axis is not None and mirror_axis not in range(image.ndim - 2):
            raise ValueError(f"mirror_axis must be null or one of 0 to {image.ndim - 3}, got {mirror_axis}")
        self.network, self.image = network, image
        self.axes: list[list[int]] = [[]] if mirror_axis is None else [[], [2 + mirror_axis]]
        self.latents = [network.encode(_flip(image, axes)) for axes in self.axes]

    def decode(self, attribute: Tensor) -> Tensor:
        """Return translations (n * B, C, H, W[, D]) with attributes of `ICAM.tell`, n a scan, mirrored as the scans are."""
        return self._average([_flip(attribute, axes) for axes in self.axes])

    def reconstruct(self, target: Tensor | None = None) -> Tensor:
        """Return the scans with their own attributes, shape (B, C, H, W[, D]).

        Args:
            target: classes that the scans are not of, for generators that are told a class; shape (B,).
        """
        means = [latents.mean for latents in self.latents]
        return self._average(means if target is None else [self.network.tell(mean, target, other=True) for mean in means])

    def _average(self, attributes: list[Tensor]) -> Tensor:
        """Decode each view with its attributes; return the mean of what they give, mirrored back."""
        drawn = [
            _flip(self.network.decode(latents.content, attribute), axes)
            for latents, attribute, axes in zip(self.latents, attributes, self.axes, strict=True)
        ]
        return sum(drawn[1:], drawn[0]) / len(drawn)


def _flip(image: Tensor, axes: list[int]) -> Tensor:
    return image.flip(axes) if axes else image
