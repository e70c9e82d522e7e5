"""Folding images into channels."""

import torch
from monai.networks.utils import pixelunshuffle

from bundle.networks.blocks import fold, unfold


def test_unfolding_undoes_folding(image: torch.Tensor) -> None:
    channels = torch.cat([image, -image], dim=1)
    folded = fold(channels, 4)
    assert folded.shape == (4, 2 * 4 ** (image.ndim - 2), *(size // 4 for size in image.shape[2:]))
    assert torch.equal(unfold(folded, 4), channels)


def test_folding_is_the_pixel_unshuffling_of_monai(image: torch.Tensor) -> None:
    assert torch.equal(fold(image, 4), pixelunshuffle(image, image.ndim - 2, 4))
