"""Means of each class of the batches of a training."""

import torch
from torch import Tensor

from bundle.ranks import average


def find_class_means(values: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Return the mean of each class of a batch; nothing waits for the device.

    Args:
        values: what they are means of, shape (B, ...).
        labels: their classes, shape (B,).
        num_classes: number of classes, K.

    Returns:
        Means, shape (K, ...), 0 for a class without members, and numbers of members, shape (K,).
    """
    classes = torch.arange(num_classes, device=labels.device)
    members = (labels == classes[:, None]).to(values.dtype)  # (K, B)
    counts = members.sum(1)
    means = members @ values.flatten(1) / counts[:, None].clamp(min=1)
    return means.view(num_classes, *values.shape[1:]), counts


@torch.no_grad()
def move_class_means(means: Tensor, values: Tensor, labels: Tensor, momentum: float | Tensor) -> None:
    """Move the running mean of each class of a batch towards the batch's; nothing waits for the device.

    Processes that share a batch have as many scans of each class.

    Args:
        means: running means, shape (K, ...), changed in place.
        values: what they are means of, shape (B, ...).
        labels: their classes, shape (B,).
        momentum: share of the old value that a mean keeps.
    """
    news, counts = find_class_means(values.to(means.dtype), labels, len(means))
    weight = (1 - momentum) * (counts > 0).to(news)
    means.lerp_(average(news), weight.view(-1, *[1] * (means.ndim - 1)))
