"""Residual blocks that the encoders and the generator are made of."""

from monai.networks.blocks import Convolution
from monai.networks.layers.factories import Pool
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, on one grid.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 (https://arxiv.org/abs/2006.08287), "basic" ResNet block.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the input.
        out_channels: channels of the output; the shortcut is a 1x1 convolution where they differ.
        norm: normalisation layer, None for none.
        act: activation between the convolutions.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        norm: str | tuple | None = "instance",
        act: str | tuple = "relu",
    ) -> None:
        super().__init__()
        self.first = Convolution(spatial_dims, in_channels, out_channels, norm=norm, act=act)
        self.second = Convolution(spatial_dims, out_channels, out_channels, norm=norm, act=None)
        self.shortcut = _shortcut(spatial_dims, in_channels, out_channels)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of shape (B, out_channels, H, W[, D])."""
        return self.shortcut(features) + self.second(self.first(features))


class DownBlock(nn.Module):
    """A residual block that halves the grid by average pooling, in both branches.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 (https://arxiv.org/abs/2006.08287), "down" ResNet block.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the input.
        out_channels: channels of the output.
        norm: normalisation between the convolutions, None for none.
        act: activation between the convolutions.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        norm: str | tuple | None = None,
        act: str | tuple = "leakyrelu",
    ) -> None:
        super().__init__()
        self.first = Convolution(spatial_dims, in_channels, in_channels, adn_ordering="NA", norm=norm, act=act)
        self.second = Convolution(spatial_dims, in_channels, out_channels, conv_only=True)
        self.shortcut = _shortcut(spatial_dims, in_channels, out_channels)
        self.pool = Pool[Pool.AVG, spatial_dims](kernel_size=2)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of shape (B, out_channels, H/2, W/2[, D/2])."""
        residual = self.pool(self.second(self.first(features)))  # (B, out_channels, H/2, W/2[, D/2])
        return self.shortcut(self.pool(features)) + residual


def _shortcut(spatial_dims: int, in_channels: int, out_channels: int) -> nn.Module:
    if in_channels == out_channels:
        return nn.Identity()
    return Convolution(spatial_dims, in_channels, out_channels, kernel_size=1, conv_only=True)
