"""Erasure of the attribute from the content latent: what a linear function of the attribute predicts is subtracted."""

from math import prod

import torch
from torch import Tensor, nn

from bundle.ranks import average

RIDGE = 0.01  # share of a component's mean variance that is added to each: weak components are not extrapolated
SMALL = 1e-12  # variance


class AttributeErasure(nn.Module):
    """Make contents uncorrelated with the attributes of their scans, and so with what their leading components hold of the class.

    Content and attribute are regarded as one sample. The content's linear regression on the leading principal components of the
    attribute is subtracted from it. Means and covariances are running ones of the training, kept in buffers; before the first
    update nothing is erased.

    Source: Belrose et al., NeurIPS 2023 (https://arxiv.org/abs/2306.03819), with the concept observed rather than predicted: the
    residual of the regression is then the nearest latent that no linear function of the concept explains.

    Args:
        attribute_size: numbers of an attribute.
        shape: the content's features, (C, H/4, W/4[, D/4]); further channels are left as they are.
        num_components: principal components of the attribute whose share is erased; all where it has fewer numbers.
        momentum: share of the old value that a mean keeps at each update.

    Raises:
        ValueError: When there is no component.
    """

    def __init__(self, attribute_size: int, shape: tuple[int, ...], num_components: int, momentum: float = 0.99) -> None:
        super().__init__()
        if num_components < 1:
            raise ValueError(f"num_components must be 1 or more, got {num_components}")
        self.channels, self.momentum = shape[0], momentum
        self.attribute_mean: Tensor  # (A,)
        self.content_mean: Tensor  # (F,)
        self.covariance: Tensor  # of the attribute, (A, A)
        self.components: Tensor  # orthonormal columns, (A, R)
        self.readers: Tensor  # components over their variances, (A, R)
        self.cross_covariance: Tensor  # of components and content, (R, F)
        self.num_updates: Tensor  # scalar
        components = torch.eye(attribute_size, min(num_components, attribute_size))
        self.register_buffer("attribute_mean", torch.zeros(attribute_size))
        self.register_buffer("content_mean", torch.zeros(prod(shape)))
        self.register_buffer("covariance", torch.zeros(attribute_size, attribute_size))
        self.register_buffer("components", components)
        self.register_buffer("readers", torch.zeros_like(components))
        self.register_buffer("cross_covariance", torch.zeros(components.shape[1], prod(shape)))
        self.register_buffer("num_updates", torch.zeros(()))

    def forward(self, content: Tensor, attribute: Tensor) -> Tensor:
        """Return contents without what the attribute predicts of them, same shape.

        Args:
            content: contents of the encoder, shape (B, C + further, H/4, W/4[, D/4]).
            attribute: attribute means of the same scans, shape (B, 1, H/16, W/16[, D/16]); they get no gradient from here.
        """
        features = content[:, : self.channels].float()
        scores = (attribute.detach().float().flatten(1) - self.attribute_mean) @ self.readers  # (B, R)
        features = features - (scores @ self.cross_covariance).view_as(features)
        return torch.cat([features, content[:, self.channels :].float()], dim=1)

    @torch.no_grad()
    def update(self, content: Tensor, attribute: Tensor) -> None:
        """Move means, covariances and components towards those of a batch; processes that share a batch have as many scans each.

        Args:
            content: contents before the erasure, shape (B, C + further, H/4, W/4[, D/4]).
            attribute: attribute means of the same scans, shape (B, 1, H/16, W/16[, D/16]).
        """
        features = content[:, : self.channels].float().flatten(1)  # (B, F)
        values = attribute.float().flatten(1)  # (B, A)
        news = 1 - (self.num_updates / (self.num_updates + 1)).clamp(max=self.momentum)  # a plain mean at first
        self.num_updates += 1
        self.content_mean.lerp_(average(features.mean(0)), news)
        self.attribute_mean.lerp_(average(values.mean(0)), news)
        features, values = features - self.content_mean, values - self.attribute_mean
        self.covariance.lerp_(average(values.T @ values / len(values)), news)
        components = self._turn_components()
        cross_covariance = (components.T @ self.components) @ self.cross_covariance  # of the part that both span
        cross_covariance.lerp_(average((values @ components).T @ features / len(values)), news)
        variance = components.T @ self.covariance @ components  # (R, R)
        damping = RIDGE * variance.diagonal().mean() + SMALL
        damped = variance + damping * torch.eye(len(variance), dtype=variance.dtype, device=variance.device)
        self.readers.copy_(components @ torch.linalg.inv_ex(damped)[0])  # without a check, which would wait for the device
        self.components.copy_(components)
        self.cross_covariance.copy_(cross_covariance)

    def _turn_components(self) -> Tensor:
        """Return the components after a step of orthogonal iteration towards the leading ones of the covariance."""
        damping = RIDGE * self.covariance.diagonal().mean() + SMALL
        return torch.linalg.qr(self.covariance @ self.components + damping * self.components)[0]
