"""Generator, G."""

import torch
from monai.networks.blocks import Convolution
from torch import Tensor, nn

from bundle.networks.blocks import ResidualBlock
from bundle.networks.encoders import ATTRIBUTE_STRIDE, CONTENT_STRIDE


class Generator(nn.Module):
    """Decode a content and an attribute latent into an image.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 and 3.3 (https://arxiv.org/abs/2006.08287).

    Args:
        spatial_dims: 2 or 3.
        content_channels: channels of the content latent.
        out_channels: channels of the image.
        attribute_channels: channels that the attribute is widened to before it meets the content.
        num_blocks: residual blocks on the content's grid.
        norm: normalisation of the residual blocks, None for none.
    """

    def __init__(
        self,
        spatial_dims: int,
        content_channels: int,
        out_channels: int = 1,
        attribute_channels: int = 16,
        num_blocks: int = 3,
        norm: str | tuple | None = "instance",
    ) -> None:
        super().__init__()
        channels = content_channels + attribute_channels
        self.widen = nn.Sequential(
            nn.Upsample(scale_factor=float(ATTRIBUTE_STRIDE // CONTENT_STRIDE)),
            ResidualBlock(spatial_dims, 1, attribute_channels, norm=norm),
        )
        self.blocks = nn.Sequential(
            *(ResidualBlock(spatial_dims, channels, channels, norm=norm) for _ in range(num_blocks))
        )
        self.up = nn.Sequential(
            _up_block(spatial_dims, channels, channels // 2),
            _up_block(spatial_dims, channels // 2, channels // 4),
        )
        self.head = Convolution(spatial_dims, channels // 4, out_channels, kernel_size=1, adn_ordering="A", act="tanh")

    def forward(self, content: Tensor, attribute: Tensor) -> Tensor:
        """Decode content (B, C, H/4, W/4[, D/4]) and attribute (B, 1, H/16, W/16[, D/16]).

        Returns:
            Images in [-1, 1] of shape (B, out_channels, H, W[, D]).
        """
        latent = torch.cat([content, self.widen(attribute)], dim=1)  # (B, channels, H/4, W/4[, D/4])
        return self.head(self.up(self.blocks(latent)))


def _up_block(spatial_dims: int, in_channels: int, out_channels: int) -> nn.Module:
    """Double the grid: transposed convolution, layer normalisation, leaky ReLU."""
    return Convolution(
        spatial_dims,
        in_channels,
        out_channels,
        strides=2,
        kernel_size=4,
        padding=1,
        output_padding=0,
        is_transposed=True,
        norm=("group", {"num_groups": 1}),
        act="leakyrelu",
    )
