"""A batch of scans, encoded once in every view."""

from collections.abc import Iterator, Sequence
from functools import cached_property

import torch
from monai.networks.utils import eval_mode
from torch import Tensor

from bundle.attribution.augmentation import NO_AUGMENTATION, TestTimeAugmentation
from bundle.networks import ICAM
from bundle.structures import Attributes


class EncodedScans:
    """Encoded scans, from which every map is decoded; `latents` has one entry for each of V views, the scan as it is first.

    Args:
        network: trained network.
        image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
        augmentation: which views there are.
        labels: classes of the scans, shape (B,); only class-conditional generators need them.

    Raises:
        ValueError: When the scans have no such views.
    """

    def __init__(
        self,
        network: ICAM,
        image: Tensor,
        augmentation: TestTimeAugmentation = NO_AUGMENTATION,
        labels: Tensor | None = None,
    ) -> None:
        augmentation.check(image.ndim - 2)
        self.network, self.image, self.labels = network, image, labels
        self.views = list(augmentation.list_views(image.ndim - 2))
        with eval_mode(network), torch.inference_mode():
            self.latents = [network.encode(view.apply(image)) for view in self.views]

    @property
    def attribute(self) -> Tensor:
        """Attribute means of the scans as they are, shape (B, *latent_shape)."""
        return self.latents[0].mean

    @cached_property
    @torch.inference_mode()
    def probabilities(self) -> Tensor:
        """Class probabilities, shape (B, K)."""
        return self.network.classify(self.attribute).softmax(dim=1)

    @cached_property
    @torch.inference_mode()
    def values(self) -> Tensor:
        """Regressed values, in the regressor's units, shape (B,)."""
        return self.network.attribute_encoder.regress(self.attribute)

    @cached_property
    def reconstruction(self) -> Tensor:
        """The scans decoded with their own attributes, in every view, shape (V, B, C, H, W[, D])."""
        with eval_mode(self.network), torch.inference_mode():
            return torch.stack(list(self.decode_views([latents.mean for latents in self.latents], self.labels)))

    def decode(self, attributes: Attributes, labels: Tensor | None) -> Iterator[Tensor]:
        """Yield the translations of each view, on the grid of the scans, (n * B, C, H, W[, D]); one view is in memory at a time.

        Args:
            attributes: n attributes a scan, shape (n * B, *latent_shape); number i goes with scan i modulo B.
            labels: their classes, shape (n * B,).
        """
        values, mirrored = attributes
        return self.decode_views([values if mirrored is None or not view.flipped else mirrored for view in self.views], labels)

    def decode_views(self, attributes: Sequence[Tensor], labels: Tensor | None) -> Iterator[Tensor]:
        """Yield what `decode` yields, with the attributes of each view, V of shape (n * B, *latent_shape)."""
        for view, latents, attribute in zip(self.views, self.latents, attributes, strict=True):
            yield view.undo(self.network.decode(latents.content, attribute, labels))
