"""Networks of DRIT, whose attribute is a vector, as parts of ICAM."""

from collections.abc import Sequence

import torch
from monai.networks.blocks import Convolution
from monai.networks.layers.factories import Pool
from torch import Tensor, nn
from torch.nn import functional

from bundle.networks.blocks import DownBlock, FoldedConvolution, ResidualBlock, repeat, up_block
from bundle.networks.encoders import LatentEncoder
from bundle.networks.generator import Decoder


class VectorAttributeEncoder(LatentEncoder):
    """Encode an image into an attribute that is a vector without spatial layout, as in DRIT.

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
            FoldedConvolution(spatial_dims, in_channels, channels, kernel_size=4, conv_only=True),
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


class VectorGenerator(Decoder):
    """Decode a content and a vector attribute into an image, as DRIT does: every stage takes the attribute and a class code.

    Source: Lee et al., ECCV 2018, Sec. 3 (https://arxiv.org/abs/1808.00948); Lee et al., 2019, multi-domain DRIT++
    (https://arxiv.org/abs/1905.01270).

    Args:
        spatial_dims: 2 or 3.
        content_channels: channels of the content latent.
        attribute_size: numbers of the attribute, z.
        num_classes: number of classes, K.
        out_channels: channels of the image.
        num_blocks: residual blocks on the content's grid that take the attribute; one before them does not.
    """

    class_conditional = True

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
        self.num_classes = num_classes
        extra = attribute_size + num_classes
        wide = content_channels + extra
        half, quarter = (wide + extra) // 2, ((wide + extra) // 2 + extra) // 2
        last = Convolution(spatial_dims, quarter + extra, out_channels, kernel_size=1, conv_only=True)
        self.shared = ResidualBlock(spatial_dims, content_channels, content_channels)
        self.stages = nn.ModuleList([
            nn.Sequential(*(ResidualBlock(spatial_dims, wide, wide) for _ in range(num_blocks))),
            up_block(spatial_dims, wide + extra, half),
            up_block(spatial_dims, half + extra, quarter),
            last,
        ])  # fmt: skip

    def forward(self, content: Tensor, attribute: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return images in [-1, 1], shape (n * B, out_channels, H, W[, D]).

        Args:
            content: content latents, shape (B, C, H/4, W/4[, D/4]).
            attribute: attribute latents, shape (n * B, z, 1, 1[, 1]).
            labels: classes of the attributes, shape (n * B,), or shares of the classes, shape (n * B, K).

        Raises:
            ValueError: Without `labels`.
        """
        if labels is None:
            raise ValueError("VectorGenerator decodes attributes of a class: give their labels")
        shares = functional.one_hot(labels, self.num_classes) if labels.ndim == 1 else labels
        code = shares.to(attribute).reshape(list(shares.shape) + [1] * (attribute.ndim - 2))
        attribute = torch.cat([attribute, code], dim=1)  # (n * B, z + K, 1, 1[, 1])
        features = repeat(self.shared(content), attribute.shape[0] // content.shape[0])
        for stage in self.stages:
            everywhere = attribute.to(features).expand(list(attribute.shape[:2]) + list(features.shape[2:]))
            features = stage(torch.cat([features, everywhere], dim=1))
        return features.float().tanh()
