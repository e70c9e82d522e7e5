"""What the network's encoders make of a whole split."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from monai.networks.utils import eval_mode
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset
from tqdm import tqdm

from bundle.attribution.augmentation import ONE_VIEW, Viewing
from bundle.data.scans import without_metadata
from bundle.networks import ICAM

LARGEST_CONTENT = 2**16  # numbers of a content latent that are kept a scan


class Encodings(NamedTuple):
    """Latents of N scans, on the CPU.

    Attributes:
        attribute: attribute means, shape (N, 1, H/16, W/16[, D/16]).
        content: content latents, flattened, shape (N, F); averaged over neighbours while they exceed `LARGEST_CONTENT` numbers.
        pooled: their mean over space, shape (N, C).
        probabilities: predicted class probabilities, shape (N, K), double precision; (N, 0) from a network without a classifier.
    """

    attribute: Tensor
    content: Tensor
    pooled: Tensor
    probabilities: Tensor


def encode_scans(network: ICAM, dataset: Dataset, device: torch.device | str = "cpu", batch_size: int = 8) -> Encodings:
    """Encode every scan of a dataset, without noise.

    Args:
        network: trained network.
        dataset: items with `image`, intensities in [-1, 1], shape (C, H, W[, D]).
        device: where to compute.
        batch_size: scans encoded at once.

    Returns:
        Latents in the order of the dataset.
    """
    parts = []
    count = len(dataset)  # type: ignore[arg-type]
    with eval_mode(network), torch.inference_mode():
        for indices in tqdm(list(split_range(count, batch_size)), desc="encoding", unit="batch"):
            content, mean, _ = network.encode(stack_images([dataset[i] for i in indices]).to(device))
            told = network.attribute_encoder.classifier is not None
            probabilities = network.classify(mean).double().softmax(1) if told else mean.new_zeros(len(mean), 0)
            parts.append([part.cpu() for part in (mean, _shrink(content).flatten(1), content.flatten(2).mean(2), probabilities)])
    return Encodings(*(torch.cat(column) for column in zip(*parts, strict=True)))


def encode_attributes(
    network: ICAM,
    dataset: Dataset,
    indices: Sequence[int],
    device: torch.device | str = "cpu",
    batch_size: int = 8,
    viewing: Viewing = ONE_VIEW,
) -> Tensor:
    """Return the attribute means of some scans, or of their mirror images, shape (N, 1, H/16, W/16[, D/16]), on `device`.

    Args:
        network: trained network.
        dataset: items with `image`, intensities in [-1, 1], shape (C, H, W[, D]).
        indices: positions of the scans.
        device: where to compute.
        batch_size: scans encoded at once.
        viewing: scans are mirrored where it has a `mirror_axis`.
    """
    means = []
    with eval_mode(network), torch.inference_mode():
        for positions in split_range(len(indices), batch_size):
            image = stack_images([dataset[indices[i]] for i in positions]).to(device)
            mirrored = viewing.mirror(image)
            means.append(network.attribute_encoder(image if mirrored is None else mirrored)[0])
    return torch.cat(means)


def stack_images(items: Sequence[dict[str, Any]]) -> Tensor:
    """Return the images of some items as a plain batch, shape (B, C, H, W[, D])."""
    return torch.stack([plain(item["image"]) for item in items])


def plain(image: Any) -> Tensor:
    """Return an image without MONAI's metadata, single precision."""
    return without_metadata(image).float()


def split_range(count: int, size: int) -> Iterator[range]:
    """Yield 0 .. count - 1 in ranges of at most `size`."""
    return (range(start, min(start + size, count)) for start in range(0, count, size))


def _shrink(content: Tensor) -> Tensor:
    """Halve the grid of a content latent until a scan has few enough numbers."""
    pool = {2: functional.avg_pool2d, 3: functional.avg_pool3d}[content.ndim - 2]
    while content[0].numel() > LARGEST_CONTENT:
        content = pool(content, 2)
    return content
