"""Running means of each class of the batches of a training."""

import torch
from torch import Tensor

from bundle.ranks import average


@torch.no_grad()
def move_class_means(means: Tensor, values: Tensor, labels: Tensor, momentum: float) -> None:
    """Move the running mean of each class of a batch towards the batch's; nothing waits for the device.

    Processes that share a batch have as many scans of each class.

    Args:
        means: running means, shape (K, ...), changed in place.
        values: what they are means of, shape (B, ...).
        labels: their classes, shape (B,).
        momentum: share of the old value that a mean keeps.
    """
    classes = torch.arange(len(means), device=labels.device)
    members = (labels == classes[:, None]).to(means.dtype)  # (K, B)
    counts = members.sum(1, keepdim=True)  # (K, 1)
    news = average(members @ values.flatten(1).to(members) / counts.clamp(min=1))  # (K, N)
    weight = (1 - momentum) * (counts > 0).to(news)
    means.lerp_(news.view_as(means), weight.view(-1, *[1] * (means.ndim - 1)))
