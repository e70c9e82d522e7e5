"""Instance normalisation in the order of memory."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from bundle.networks.norms import InstanceNorm

LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


@pytest.fixture(params=["contiguous", "channels_last"])
def features(request: pytest.FixtureRequest, image: Tensor) -> Tensor:
    channels = torch.cat([image, 1 - image.square(), image.exp()], dim=1)[..., ::4]
    last = request.param == "channels_last"
    return channels.contiguous(memory_format=LAST[image.ndim] if last else torch.contiguous_format).requires_grad_()


def test_it_is_instance_normalisation_forward_and_backward(features: Tensor) -> None:
    weights = torch.linspace(-9, 9, features.numel()).sin().view_as(features)
    results = []
    for norm, given in ((InstanceNorm(), features), (functional.instance_norm, features.double())):
        result = norm(given)
        results.append([part.double() for part in (result, *torch.autograd.grad((result * weights).sum(), features))])
    for mine, exact in zip(*results, strict=True):
        assert (mine - exact).abs().max() <= 1e-5 * exact.abs().max()


def test_large_grids_are_as_exact(spatial_dims: int) -> None:
    size = {2: (256, 256), 3: (32, 64, 32)}[spatial_dims]
    features = (torch.rand(2, 2, *size) + 3).contiguous(memory_format=LAST[2 + spatial_dims])
    torch.testing.assert_close(InstanceNorm()(features).double(), functional.instance_norm(features.double()), atol=1e-5, rtol=0)


def test_features_keep_their_order_in_memory(features: Tensor) -> None:
    assert InstanceNorm()(features).stride() == features.stride()


def test_a_compiled_one_is_the_same(features: Tensor) -> None:
    compiled = torch.jit.script(InstanceNorm())
    torch.testing.assert_close(compiled(features), InstanceNorm()(features), atol=1e-5, rtol=1e-5)
