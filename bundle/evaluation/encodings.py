"""Latents and predicted classes of a whole split."""

from typing import NamedTuple

import torch
from monai.networks.utils import eval_mode
from torch import Tensor
from torch.nn import functional

from bundle.evaluation.split import Split
from bundle.networks import ICAM

LARGEST_CONTENT = 2**16  # numbers of a content latent that are kept a scan


class Encodings(NamedTuple):
    """What a network computes of N scans, on the CPU; a classifier has the probabilities alone.

    Attributes:
        probabilities: predicted class probabilities, shape (N, K), double precision; (N, 0) from a network without a classifier.
        attribute: attribute means, shape (N, 1, H/16, W/16[, D/16]).
        content: content latents, flattened, shape (N, F); averaged over neighbours while they exceed `LARGEST_CONTENT` numbers.
        pooled: their mean over space, shape (N, C).
    """

    probabilities: Tensor
    attribute: Tensor | None = None
    content: Tensor | None = None
    pooled: Tensor | None = None


def encode_scans(network: ICAM, split: Split, device: torch.device | str = "cpu") -> Encodings:
    """Encode every scan of a split, without noise.

    Args:
        network: trained network.
        split: the scans.
        device: where to compute.
    """
    parts = []
    with eval_mode(network), torch.inference_mode():
        for indices in split.batches(range(len(split)), "encoding"):
            content, mean, _ = network.encode(split.stack(indices).to(device))
            classified = network.attribute_encoder.classifier is not None
            probabilities = network.classify(mean).double().softmax(1) if classified else mean.new_zeros(len(mean), 0)
            parts.append([part.cpu() for part in (probabilities, mean, _shrink(content).flatten(1), content.flatten(2).mean(2))])
    return Encodings(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _shrink(content: Tensor) -> Tensor:
    """Halve the grid of a content latent until a scan has few enough numbers."""
    pool = {2: functional.avg_pool2d, 3: functional.avg_pool3d}[content.ndim - 2]
    while content[0].numel() > LARGEST_CONTENT:
        content = pool(content, 2)
    return content
