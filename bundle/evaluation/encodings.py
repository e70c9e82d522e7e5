"""Latents and predicted classes of a whole split."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from monai.networks.utils import eval_mode
from torch import Tensor
from torch.nn import functional

from bundle.attribution import EncodedScans
from bundle.attribution.typicality import find_typicality, knows_cohort
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
        typicality: p-value of each scan among those that the network was trained for, shape (N,), of a network that knows them.
        untypical_part: what is most unusual about it, a position in `bundle.networks.PARTS`, shape (N,); likewise.
    """

    probabilities: Tensor
    attribute: Tensor = NONE
    content: Tensor = NONE
    pooled: Tensor = NONE
    typicality: Tensor = NONE
    untypical_part: Tensor = NONE


def encode_images(network: ICAM, batches: Iterable[Tensor], device: torch.device | str = "cpu") -> Encodings:
    """Encode batches of scans, intensities in [-1, 1], shape (B, C, H, W[, D]) each, without noise."""
    parts = []
    with eval_mode(network), torch.inference_mode():
        for image in batches:
            scans = EncodedScans(network, image.to(device))
            content, mean, _ = scans.latents[0]
            classified = network.attribute_encoder.classifier is not None
            probabilities = network.classify(mean).double().softmax(1) if classified else mean.new_zeros(len(mean), 0)
            latents = [probabilities, mean, _shrink(content).flatten(1), content.flatten(2).mean(2)]
            typicality = find_typicality(scans) if knows_cohort(network) else (NONE, NONE)
            parts.append([part.cpu() for part in (*latents, *typicality)])
    return Encodings(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _shrink(content: Tensor) -> Tensor:
    """Halve the grid of a content latent until a scan has few enough numbers."""
    pool = {2: functional.avg_pool2d, 3: functional.avg_pool3d}[content.ndim - 2]
    while content[0].numel() > LARGEST_CONTENT:
        content = pool(content, 2)
    return content
