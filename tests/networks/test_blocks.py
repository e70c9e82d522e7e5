"""Folding images into channels, enlarging them, and convolving and pooling at once."""

import pytest
import torch
from monai.networks.blocks import Convolution
from monai.networks.layers.factories import Pool
from monai.networks.utils import pixelunshuffle

from bundle.networks.blocks import DownBlock, FoldedConvolution, PooledConvolution, enlarge, fold, unfold


def test_unfolding_undoes_folding(image: torch.Tensor) -> None:
    channels = torch.cat([image, -image], dim=1)
    folded = fold(channels, 4)
    assert folded.shape == (4, 2 * 4 ** (image.ndim - 2), *(size // 4 for size in image.shape[2:]))
    assert torch.equal(unfold(folded, 4), channels)


def test_folding_is_the_pixel_unshuffling_of_monai(image: torch.Tensor) -> None:
    assert torch.equal(fold(image, 4), pixelunshuffle(image, image.ndim - 2, 4))


def test_enlarging_is_linear_upsampling(image: torch.Tensor) -> None:
    upsample = torch.nn.Upsample(scale_factor=4.0, mode={2: "bilinear", 3: "trilinear"}[image.ndim - 2])
    torch.testing.assert_close(enlarge(image, 4), upsample(image))


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_a_pooled_convolution_is_a_convolution_and_then_average_pooling(image: torch.Tensor, kernel_size: int) -> None:
    spatial_dims, features = image.ndim - 2, torch.cat([image, -image.square()], dim=1)
    both = PooledConvolution(spatial_dims, 2, 3, kernel_size)
    conv = type(both.conv)(2, 3, kernel_size, padding=kernel_size // 2)
    conv.load_state_dict(both.conv.state_dict())
    torch.testing.assert_close(both(features), Pool[Pool.AVG, spatial_dims](2)(conv(features)), atol=1e-6, rtol=1e-5)


def test_a_down_block_keeps_the_names_of_its_weights(spatial_dims: int) -> None:
    names = {name.removesuffix(".weight") for name in DownBlock(spatial_dims, 2, 3).state_dict() if name.endswith("weight")}
    assert names == {"first.conv", "second.conv", "shortcut.conv"}


@pytest.mark.parametrize("kernel_size", [3, 4])
def test_a_folded_convolution_is_one_of_stride_two(image: torch.Tensor, kernel_size: int) -> None:
    spatial_dims, channels = image.ndim - 2, torch.cat([image, -image.square()], dim=1)
    folded = FoldedConvolution(spatial_dims, 2, 3, kernel_size, act="relu", norm="instance")
    plain = Convolution(spatial_dims, 2, 3, strides=2, kernel_size=kernel_size, padding=1, act="relu", norm="instance")
    plain.load_state_dict(folded.state_dict())
    torch.testing.assert_close(folded(channels), plain(channels), atol=1e-5, rtol=1e-5)
