"""Erasure of the class from the content latent: what a linear classifier could read is projected out."""

import torch
from torch import Tensor, nn

from bundle.networks.class_means import move_class_means


class ClassErasure(nn.Module):
    """Give the contents of all classes the same mean, by which no linear classifier tells them better than a constant.

    What lies along the differences of the classes' mean contents is replaced by the mean over the classes. The means are running
    means of the training, kept in a buffer; as long as they are zero nothing is erased.

    Source: Belrose et al., NeurIPS 2023, Theorem 3.1: a latent is linearly guarded when the means of its classes are equal
    (https://arxiv.org/abs/2306.03819). The projection is orthogonal; theirs, with the covariance, measured no better here.

    Args:
        num_classes: K.
        shape: the content's features, (C, H/4, W/4[, D/4]); further channels are left as they are.
        momentum: share of the old value that a mean keeps at each update.
    """

    def __init__(self, num_classes: int, shape: tuple[int, ...], momentum: float = 0.998) -> None:
        super().__init__()
        self.channels, self.momentum = shape[0], momentum
        self.means: Tensor  # mean content of each class, (K, C, H/4, W/4[, D/4])
        self.register_buffer("means", torch.zeros(num_classes, *shape))

    def forward(self, content: Tensor) -> Tensor:
        """Return contents without the class, shape (B, C + further, H/4, W/4[, D/4])."""
        features = content[:, : self.channels].float()
        means = self.means.flatten(1)
        values = features.flatten(1) - means.mean(0)  # (B, F)
        directions: list[Tensor] = []
        for label in range(1, means.shape[0]):
            direction = means[label] - means[0]
            for other in directions:
                direction = direction - (direction * other).sum() * other
            direction = direction / direction.norm().clamp(min=1e-12)
            directions.append(direction)
            features = features - ((values * direction).sum(1, keepdim=True) * direction).view_as(features)
        return torch.cat([features, content[:, self.channels :].float()], dim=1)

    def update(self, content: Tensor, labels: Tensor) -> None:
        """Move the mean of each class of a batch towards the batch's, see `move_class_means`.

        Args:
            content: contents before the erasure, shape (B, C + further, H/4, W/4[, D/4]).
            labels: their classes, shape (B,).
        """
        move_class_means(self.means, content[:, : self.channels], labels, self.momentum)
