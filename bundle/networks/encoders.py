"""Content and attribute encoders, E_c and E_a."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from monai.networks.blocks import Convolution
from torch import Tensor, nn
from torch.nn import functional

from bundle.networks.blocks import DownBlock, FoldedConvolution, ResidualBlock, fold
from bundle.networks.norms import INSTANCE
from bundle.ranks import draw_normal

CONTENT_STRIDE = 4  # image size / content latent size
ATTRIBUTE_STRIDE = 16  # image size / attribute latent size


class ContentEncoder(nn.Module):
    """Encode an image into its class-irrelevant content latent, z_c.

    Gaussian noise is added to the latent while training, so that it keeps a scale worth decoding.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287).

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        channels: channels after the first convolution; the latent has four times as many.
        num_blocks: residual blocks on the latent's grid.
        noise: standard deviation of the noise, in units of the latent.
        full_resolution: whether the first convolution works on the image's own grid, as in the paper; otherwise it halves the
            grid at once, which saves most of the work and memory of a volume.
        keep_image: whether the latent holds the image too, its voxels folded into channels, and the scan's own attribute, for
            `DeformingGenerator`. It then is no bottleneck, and by design not free of the class.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int = 1,
        channels: int = 16,
        num_blocks: int = 4,
        noise: float = 1.0,
        full_resolution: bool = True,
        keep_image: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels = 4 * channels + keep_image * (1 + in_channels * CONTENT_STRIDE**spatial_dims)
        self.feature_channels = 4 * channels  # the first of them
        self.keep_image = keep_image
        self.stride = CONTENT_STRIDE
        self.noise = noise
        adn: dict[str, Any] = {"norm": INSTANCE, "act": "relu"}
        if full_resolution:
            first = Convolution(spatial_dims, in_channels, channels, **adn)
            halving: list[nn.Module] = [first, Convolution(spatial_dims, channels, 2 * channels, strides=2, **adn)]
        else:
            halving = [FoldedConvolution(spatial_dims, in_channels, 2 * channels, kernel_size=4, **adn)]
        self.stem = nn.Sequential(*halving, Convolution(spatial_dims, 2 * channels, 4 * channels, strides=2, **adn))
        self.blocks = nn.Sequential(*(ResidualBlock(spatial_dims, 4 * channels, 4 * channels) for _ in range(num_blocks)))

    def forward(self, image: Tensor, attribute: Tensor) -> Tensor:
        """Encode images into content.

        Args:
            image: shape (B, C, H, W[, D]).
            attribute: their attribute means, shape (B, 1, H/16, W/16[, D/16]); used with `keep_image` alone.

        Returns:
            Content of shape (B, out_channels, H/4, W/4[, D/4]).
        """
        content = self.blocks(self.stem(image))
        if self.training:
            content = content + self.noise * draw_normal(content)
        if self.keep_image:
            own = functional.interpolate(attribute.float(), content.shape[2:])  # on the content's grid
            content = torch.cat([content.float(), own, fold(image, self.stride).float()], dim=1)
        return content


class LatentEncoder(nn.Module):
    """An attribute encoder: linear layers read the class, and a quantity, from its latent.

    As the classifier is linear, "is of class k" is a half-space (two classes) or a polytope (several) in the latent space.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287).

    Args:
        image_size: voxels along each spatial axis, multiples of 16.
        latent_shape: channels and grid of the latent.
        spatial_dims: 2 or 3.
        num_classes: number of classes, K.

    Raises:
        ValueError: When `image_size` has another number of axes than `spatial_dims`, or is no multiple of 16.
    """

    def __init__(self, spatial_dims: int, image_size: Sequence[int], latent_shape: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        if len(image_size) != spatial_dims or any(size < 1 or size % ATTRIBUTE_STRIDE for size in image_size):
            raise ValueError(f"image_size must be {spatial_dims} multiples of {ATTRIBUTE_STRIDE}, got {list(image_size)}")
        self.image_size = tuple(image_size)
        self.latent_shape = latent_shape
        self.num_classes = num_classes

    def add_readouts(self, classification: bool, regression: bool) -> None:
        """Add the linear layers, after all others: the order decides which weights a seed gives."""
        size = prod(self.latent_shape)
        self.classifier = nn.Linear(size, self.num_classes) if classification else None
        self.regressor = nn.Linear(size, 1) if regression else None

    def classify(self, attribute: Tensor) -> Tensor:
        """Return class logits, shape (B, K), of attributes of shape (B, *latent_shape).

        Raises:
            ValueError: When the encoder was built with `classification=False`.
        """
        if self.classifier is None:
            raise ValueError("classify needs an attribute encoder built with classification=True")
        return self.classifier(attribute.flatten(1))

    def regress(self, attribute: Tensor) -> Tensor:
        """Return the regressed scalar, shape (B,), of attributes of shape (B, *latent_shape).

        Raises:
            ValueError: When the encoder was built with `regression=False`.
        """
        if self.regressor is None:
            raise ValueError("regress needs an attribute encoder built with regression=True")
        return self.regressor(attribute.flatten(1)).flatten()


class AttributeEncoder(LatentEncoder):
    """Encode an image into its class-relevant attribute latent, z_a, which keeps its spatial layout, and classify that latent.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287).

    Args:
        spatial_dims: 2 or 3.
        image_size: voxels along each spatial axis, multiples of 16.
        num_classes: number of classes, K.
        in_channels: channels of the image.
        channels: channels after the first convolution; the others are multiples of it.
        classification: whether a linear layer predicts the class; not in the ablation without it.
        regression: whether a second linear layer predicts a scalar, such as the standardised age.
        norm: normalisation inside the blocks, None for none as in the paper; with it the class of volumes is learned sooner.

    Raises:
        ValueError: When `image_size` has another number of axes than `spatial_dims`, or is no multiple of 16.
    """

    def __init__(
        self,
        spatial_dims: int,
        image_size: Sequence[int],
        num_classes: int = 2,
        in_channels: int = 1,
        channels: int = 16,
        classification: bool = True,
        regression: bool = False,
        norm: str | tuple | None = None,
    ) -> None:
        latent_shape = (1, *(size // ATTRIBUTE_STRIDE for size in image_size))
        super().__init__(spatial_dims, image_size, latent_shape, num_classes)
        self.trunk = nn.Sequential(
            FoldedConvolution(spatial_dims, in_channels, channels, kernel_size=4, conv_only=True),
            DownBlock(spatial_dims, channels, 2 * channels, norm),
            DownBlock(spatial_dims, 2 * channels, 3 * channels, norm),
        )
        self.mean = DownBlock(spatial_dims, 3 * channels, 1, norm)
        self.log_variance = DownBlock(spatial_dims, 3 * channels, 1, norm)
        self.add_readouts(classification, regression)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Encode images of shape (B, C, H, W[, D]).

        Returns:
            Mean and log-variance, each (B, 1, H/16, W/16[, D/16]).
        """
        features = self.trunk(image)  # (B, 3 * channels, H/8, W/8[, D/8])
        return self.mean(features), self.log_variance(features)
