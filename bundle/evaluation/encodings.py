"""Latents and predicted classes of a whole split."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from monai.networks.utils import eval_mode
from torch import Tensor
from torch.nn import functional

from bundle.networks import ICAM

LARGEST_CONTENT = 2**16  # numbers of a content latent that are kept a scan
NONE = torch.zeros(0)  # latents of a network without any


class Encodings(NamedTuple):
    """What a network computes of N scans, on the CPU; of a classifier the probabilities alone.

    Attributes:
        probabilities: predicted class probabilities, shape (N, K), double precision; (N, 0) from a network without a classifier.
        attribute: attribute means, shape (N, 1, H/16, W/16[, D/16]).
        content: content latents, flattened, shape (N, F); averaged over neighbours while they exceed `LARGEST_CONTENT` numbers.
        pooled: their mean over space, shape (N, C).
    """

    probabilities: Tensor
    attribute: Tensor = NONE
    content: Tensor = NONE
    pooled: Tensor = NONE


def encode_images(network: ICAM, batches: Iterable[Tensor], device: torch.device | str = "cpu") -> Encodings:
    """Encode batches of scans, intensities in [-1, 1], shape (B, C, H, W[, D]) each, without noise."""
    parts = []
    with eval_mode(network), torch.inference_mode():
        for image in batches:
            content, mean, _ = network.encode(image.to(device))
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
