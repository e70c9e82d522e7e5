"""Small classifiers of scans."""

from collections.abc import Callable

import pytest
import torch
from monai.networks.nets import ResNet
from torch import nn

from bundle.baselines import AttributeClassifier, SeparableBlock


@pytest.fixture
def resnet(spatial_dims: int) -> nn.Module:
    """A ResNet as in the config, tiny, in training mode, whose batch normalisation has seen data."""
    network = ResNet(
        SeparableBlock, [1, 1, 1, 1], [4, 6, 8, 8], spatial_dims, 1, conv1_t_stride=2, no_max_pool=True, num_classes=3, act="relu"
    )
    for name, buffer in network.named_buffers():
        if buffer.is_floating_point():  # means near zero: with large ones no feature is left
            buffer.data = 0.1 * torch.randn_like(buffer) if name.endswith("mean") else 0.5 + torch.rand_like(buffer)
    return network


@pytest.fixture
def encoder(make_network: Callable) -> nn.Module:
    """ICAM's attribute encoder as a classifier."""
    return AttributeClassifier(make_network(num_classes=3))


@pytest.fixture
def target() -> torch.Tensor:
    """A class for each of the four scans."""
    return torch.tensor([0, 1, 2, 1])
