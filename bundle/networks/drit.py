"""Networks of DRIT, whose attribute is a vector, as parts of ICAM."""

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from monai.networks.layers.factories import Pool
from torch import Tensor, nn

from bundle.networks.blocks import DownBlock, ResidualBlock, repeat, up_block
from bundle.networks.encoders import LatentEncoder


class VectorAttributeEncoder(LatentEncoder):
    """Encode an image into an attribute that is a vector, as in DRIT: it tells what, and not where.

    Source: Lee et al., ECCV 2018, Sec. 3 (https://arxiv.org/abs/1808.00948); Lee et al., 2019, multi-domain DRIT++
    (https://arxiv.org/abs/1905.01270), less the class code that is given to its encoder.

    Args:
        spatial_dims: 2 or 3.
        image_size: voxels along each spatial axis, multiples of 16.
        num_classes: number of classes, K.
        in_channels: channels of the image.
        size: numbers of the attribute, z.
        channels: channels after the first convolution; the others are multiples of it.
        classification: whether a linear layer predicts the class, which DRIT's does not.
        regression: whether a linear layer predicts a scalar.

    Raises:
        ValueError: When `image_size` has another number of axes than `spatial_dims`, or is no multiple of 16.
    """

    def __init__(
        self,
        spatial_dims: int,
        image_size: Sequence[int],
        num_classes: int = 2,
        in_channels: int = 1,
        size: int = 8,
        channels: int = 64,
        classification: bool = False,
        regression: bool = False,
    ) -> None:
        super().__init__(spatial_dims, image_size, (size, *[1] * spatial_dims), num_classes)
        self.trunk = nn.Sequential(
            Convolution(spatial_dims, in_channels, channels, kernel_size=4, strides=2, padding=1, conv_only=True),
            *(DownBlock(spatial_dims, k * channels, (k + 1) * channels) for k in (1, 2, 3)),
            nn.LeakyReLU(0.2),
            Pool[Pool.ADAPTIVEAVG, spatial_dims](1),
        )
        self.mean = Convolution(spatial_dims, 4 * channels, size, kernel_size=1, conv_only=True)
        self.log_variance = Convolution(spatial_dims, 4 * channels, size, kernel_size=1, conv_only=True)
        self.add_readouts(classification, regression)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Encode images of shape (B, C, H, W[, D]).

        Returns:
            Mean and log-variance, each (B, size, 1, 1[, 1]).
        """
        features = self.trunk(image)  # (B, 4 * channels, 1, 1[, 1])
        return self.mean(features), self.log_variance(features)


class VectorGenerator(nn.Module):
    """Decode a content and a vector attribute into an image, as DRIT does: every stage is told the attribute, everywhere alike.

    Source: Lee et al., ECCV 2018, Sec. 3 (https://arxiv.org/abs/1808.00948); Lee et al., 2019, multi-domain DRIT++
    (https://arxiv.org/abs/1905.01270).

    Args:
        spatial_dims: 2 or 3.
        content_channels: channels of the content latent.
        attribute_size: numbers of the attribute, z.
        num_classes: number of classes, K; `ICAM.tell` appends a code of the class to an attribute.
        out_channels: channels of the image.
        num_blocks: residual blocks on the content's grid that are told the attribute; one before them is not.
    """

    def __init__(
        self,
        spatial_dims: int,
        content_channels: int,
        attribute_size: int,
        num_classes: int = 2,
        out_channels: int = 1,
        num_blocks: int = 3,
    ) -> None:
        super().__init__()
        told = attribute_size + num_classes
        wide = content_channels + told
        half, quarter = (wide + told) // 2, ((wide + told) // 2 + told) // 2
        last = Convolution(spatial_dims, quarter + told, out_channels, kernel_size=1, conv_only=True)
        self.shared = ResidualBlock(spatial_dims, content_channels, content_channels)
        self.stages = nn.ModuleList([
            nn.Sequential(*(ResidualBlock(spatial_dims, wide, wide) for _ in range(num_blocks))),
            up_block(spatial_dims, wide + told, half),
            up_block(spatial_dims, half + told, quarter),
            last,
        ])  # fmt: skip

    def forward(self, content: Tensor, attribute: Tensor) -> Tensor:
        """Decode contents (B, C, H/4, W/4[, D/4]), each with n attributes and class codes (n * B, z + K, 1, 1[, 1]).

        Attribute number i goes with content number i modulo B.

        Returns:
            Images in [-1, 1] of shape (n * B, out_channels, H, W[, D]).
        """
        features = repeat(self.shared(content), attribute.shape[0] // content.shape[0])
        for stage in self.stages:
            told = attribute.to(features).expand(list(attribute.shape[:2]) + list(features.shape[2:]))
            features = stage(torch.cat([features, told], dim=1))
        return features.float().tanh()
