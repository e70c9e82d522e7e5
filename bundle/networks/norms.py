"""Normalisation layers."""

import torch
from monai.networks.layers.factories import Norm
from torch import Tensor, nn
from torch.nn import functional

INSTANCE = "instance_in_order"  # name of `InstanceNorm` among MONAI's normalisations, for `norm`
FEW = 8_000  # voxels of a channel: over more, PyTorch's batch normalisation in channels_last sums with errors above 1e-5


class InstanceNorm(nn.Module):
    """Instance normalisation, which on a CPU leaves features on small grids in the order that they have in memory.

    PyTorch's copies features in channels_last to another order, and the convolution after it copies them back: it takes three
    times as long, forward and backward. On other devices, on large grids and in exported networks it is PyTorch's.

    Args:
        eps: added to the variance.
    """

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, features: Tensor) -> Tensor:
        """Return features of shape (B, C, H, W[, D]) with mean 0 and variance 1 in each channel of each scan."""
        if torch.jit.is_scripting() or torch.compiler.is_compiling() or features.device.type != "cpu":
            return functional.instance_norm(features, eps=self.eps)
        if features.is_contiguous() or features[0, 0].numel() > FEW:
            return functional.instance_norm(features, eps=self.eps)
        scans = [functional.batch_norm(scan, None, None, training=True, eps=self.eps) for scan in features.split(1)]
        return torch.cat(scans)


Norm.add_factory_class(INSTANCE, InstanceNorm)
