"""Blocks that the encoders and the generators are made of."""

from typing import Any

import torch
from monai.networks.blocks import Convolution
from monai.networks.layers.factories import Conv, Pool
from torch import Tensor, nn
from torch.nn import functional

from bundle.networks.norms import INSTANCE


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, on one grid; the shortcut is a 1x1 convolution where the channels differ.

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 (https://arxiv.org/abs/2006.08287), "basic" ResNet block.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        out_channels: int,
        norm: str | tuple | None = INSTANCE,
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
        self.second = PooledConvolution(spatial_dims, in_channels, out_channels, kernel_size=3)
        self.shortcut = (
            Pool[Pool.AVG, spatial_dims](kernel_size=2)
            if in_channels == out_channels
            else PooledConvolution(spatial_dims, in_channels, out_channels, kernel_size=1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return features of shape (B, out_channels, H/2, W/2[, D/2])."""
        return self.shortcut(features) + self.second(self.first(features))


class PooledConvolution(nn.Module):
    """A convolution and an average pooling that halves the grid, as one convolution of stride 2.

    Its kernel is the mean of the convolution's over the voxels that are pooled, one voxel wider: the same up to rounding, with an
    eighth of the work in volumes.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the features.
        out_channels: channels of the result.
        kernel_size: edge of the convolution's kernel in voxels, odd.
    """

    def __init__(self, spatial_dims: int, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = Conv[Conv.CONV, spatial_dims](in_channels, out_channels, kernel_size, stride=2, padding=kernel_size // 2)
        self.margin = [1, 1] * spatial_dims
        self.pool = Pool[Pool.AVG, spatial_dims](kernel_size=2, stride=1)

    def forward(self, features: Tensor) -> Tensor:
        """Return features of shape (B, out_channels, H/2, W/2[, D/2])."""
        weight = self.pool(functional.pad(self.conv.weight, self.margin))
        return self.conv._conv_forward(features, weight, self.conv.bias)


class FoldedConvolution(Convolution):
    """MONAI's convolution with stride 2 and a padding of one voxel, on an image folded into channels.

    The same up to rounding and with the same weights, on images of one channel several times as fast on a CPU.

    Args:
        spatial_dims: 2 or 3.
        in_channels: channels of the image.
        out_channels: channels of the result.
        kernel_size: edge of the kernel in voxels, 3 or 4.
        **kwargs: normalisation and activation, arguments of MONAI's `Convolution`.
    """

    def __init__(self, spatial_dims: int, in_channels: int, out_channels: int, kernel_size: int, **kwargs: Any) -> None:
        super().__init__(spatial_dims, in_channels, out_channels, kernel_size=kernel_size, padding=0, **kwargs)
        self.margin = [1, 1] * spatial_dims
        self.missing = [0, 4 - kernel_size] * spatial_dims

    def forward(self, image: Tensor) -> Tensor:
        """Return features of shape (B, out_channels, H/2, W/2[, D/2]) of images with even sizes."""
        cells = fold(functional.pad(image, self.margin), 2)  # (B, C * 2**spatial_dims, H/2 + 1, W/2 + 1[, D/2 + 1])
        weight = fold(functional.pad(self.conv.weight, self.missing), 2)
        features = self.conv._conv_forward(cells, weight, self.conv.bias)
        return self.adn(features) if hasattr(self, "adn") else features


def fold(image: Tensor, factor: int) -> Tensor:
    """Fold cubes of `factor` voxels an edge into channels (space to depth); MONAI's pixelunshuffle, which TorchScript refuses.

    Args:
        image: shape (B, C, H, W[, D]).
        factor: edge of a cube in voxels; divides H, W and D.

    Returns:
        Shape (B, C * factor**spatial_dims, H/factor, W/factor[, D/factor]).
    """
    spatial_dims = image.ndim - 2
    sizes, inner, outer = [image.shape[0], image.shape[1]], [1], [0]
    for axis in range(spatial_dims):
        sizes += [image.shape[axis + 2] // factor, factor]
        outer.append(2 * axis + 2)
        inner.append(2 * axis + 3)
    cubes = image.reshape(sizes).permute(outer[:1] + inner + outer[1:])  # (B, C, f, f[, f], H/f, W/f[, D/f])
    return cubes.flatten(1, spatial_dims + 1)


def unfold(folded: Tensor, factor: int) -> Tensor:
    """Undo `fold`, as MONAI's pixelshuffle does.

    Args:
        folded: shape (B, C * factor**spatial_dims, H/factor, W/factor[, D/factor]).
        factor: edge of a cube in voxels.

    Returns:
        Image of shape (B, C, H, W[, D]).
    """
    spatial_dims = folded.ndim - 2
    cubes, order, sizes = [folded.shape[0], -1] + [factor] * spatial_dims, [0, 1], [folded.shape[0], -1]
    for axis in range(spatial_dims):
        cubes.append(folded.shape[axis + 2])
        order += [axis + 2 + spatial_dims, axis + 2]
        sizes.append(folded.shape[axis + 2] * factor)
    return folded.reshape(cubes).permute(order).reshape(sizes)


def enlarge(image: Tensor, factor: int) -> Tensor:
    """Interpolate an image linearly on a finer grid, one axis after the other by a product of matrices.

    The same as `torch.nn.Upsample` of mode bilinear or trilinear, which takes several times as long on a CPU.

    Args:
        image: shape (B, C, H, W[, D]).
        factor: how much finer the grid is.

    Returns:
        Image of shape (B, C, factor * H, factor * W[, factor * D]).
    """
    for _ in range(2, image.ndim):
        unit = torch.eye(image.shape[2], dtype=image.dtype, device=image.device).unsqueeze(0)
        weights = functional.interpolate(unit, scale_factor=float(factor), mode="linear")[0]  # (H, factor * H)
        rows = image.movedim(2, -1)  # (B, C, W[, D], H): the next axis comes first
        image = (rows.reshape(-1, rows.shape[-1]) @ weights).reshape(list(rows.shape[:-1]) + [-1])
    return image


def up_block(spatial_dims: int, in_channels: int, out_channels: int) -> nn.Module:
    """Double the grid: transposed convolution, layer normalisation, leaky ReLU."""
    return transposed(spatial_dims, in_channels, out_channels, norm=("group", {"num_groups": 1}), act="leakyrelu")


def transposed(spatial_dims: int, in_channels: int, out_channels: int, **kwargs: Any) -> nn.Module:
    """A transposed convolution that doubles the grid."""
    grid = {"strides": 2, "kernel_size": 4, "padding": 1, "output_padding": 0, "is_transposed": True}
    return Convolution(spatial_dims, in_channels, out_channels, **grid, **kwargs)


def repeat(batch: Tensor, times: int) -> Tensor:
    """Repeat a batch as a whole."""
    return torch.cat([batch] * times) if times > 1 else batch


def _shortcut(spatial_dims: int, in_channels: int, out_channels: int) -> nn.Module:
    if in_channels == out_channels:
        return nn.Identity()
    return Convolution(spatial_dims, in_channels, out_channels, kernel_size=1, conv_only=True)
