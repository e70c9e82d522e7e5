"""Discriminators of the content latent and of the image domain, D_c and D."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from monai.networks.blocks import Convolution
from monai.networks.layers.factories import Pool
from torch import Tensor, nn

from bundle.networks.blocks import FoldedConvolution
from bundle.structures import DomainLogits

FEW = 4  # channels of an image below which it is folded


class ContentDiscriminator(nn.Module):
    """Predict the class of a scan from its content latent, which the content encoder learns to prevent.

    Source: Bass et al., NeurIPS 2020, Eq. 1 (https://arxiv.org/abs/2006.08287).

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the content latent.
        num_classes: number of classes, K.
        channels: channels of each strided convolution.
    """

    def __init__(self, spatial_dims: int, in_channels: int, num_classes: int = 2, channels: Sequence[int] = (64, 64, 64)) -> None:
        super().__init__()
        self.features = _strided(spatial_dims, in_channels, channels)
        self.pool = Pool[Pool.ADAPTIVEAVG, spatial_dims](1)
        self.classifier = nn.Linear(channels[-1], num_classes)

    def forward(self, content: Tensor) -> Tensor:
        """Return class logits, shape (B, K), of content of shape (B, C, H/4, W/4[, D/4])."""
        return self.classifier(self.pool(self.features(content)).flatten(1))


class DomainDiscriminator(nn.Module):
    """Separate real scans from generated ones, and predict their class.

    Source: Bass et al., NeurIPS 2020, Sec. 3.3, domain loss (https://arxiv.org/abs/2006.08287).

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        num_classes: number of classes, K.
        channels: channels of each strided convolution.
        conditional: whether real scans are compared with generated ones of the same class, each class by itself, instead of all
            together as in the paper. A translation that looks real, but not as the scans of its class do, is then found out.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int = 1,
        num_classes: int = 2,
        channels: Sequence[int] = (16, 32, 64, 128, 256, 256),
        conditional: bool = False,
    ) -> None:
        super().__init__()
        self.features = _strided(spatial_dims, in_channels, channels)
        self.real = Convolution(spatial_dims, channels[-1], num_classes if conditional else 1, kernel_size=1, conv_only=True)
        self.label = Convolution(spatial_dims, channels[-1], num_classes, kernel_size=1, conv_only=True)

    def forward(self, image: Tensor) -> DomainLogits:
        """Return the logits of images of shape (B, C, H, W[, D])."""
        features = self.features(image)
        return DomainLogits(real=self.real(features).flatten(2).mean(2), label=self.label(features).flatten(2).mean(2))


class Discriminators(nn.Module):
    """Both discriminators.

    Args:
        content: D_c.
        domain: D.
    """

    def __init__(self, content: ContentDiscriminator, domain: DomainDiscriminator) -> None:
        super().__init__()
        self.content, self.domain = content, domain


def _strided(spatial_dims: int, in_channels: int, channels: Sequence[int]) -> nn.Sequential:
    """Convolutions of stride 2 with leaky ReLU, one for each entry of `channels`; images of few channels are folded."""
    adn: dict[str, Any] = {"adn_ordering": "A", "act": ("leakyrelu", {"negative_slope": 0.2})}
    layers: list[nn.Module] = []
    for before, after in pairwise((in_channels, *channels)):
        if before < FEW:
            layers.append(FoldedConvolution(spatial_dims, before, after, kernel_size=3, **adn))
        else:
            layers.append(Convolution(spatial_dims, before, after, strides=2, **adn))
    return nn.Sequential(*layers)
