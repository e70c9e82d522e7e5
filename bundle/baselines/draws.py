"""Post-hoc attribution methods that draw random numbers.

The draws depend on the seed alone: every scan is given the same ones, so that a map depends neither on the batch that its scan
comes in nor on that batch's size.
"""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import captum.attr
import numpy as np
import torch
from monai.data import Dataset
from torch import Tensor, nn

from bundle.baselines.methods import PostHoc
from bundle.data.scans import without_metadata


class DrawingMethod(PostHoc):
    """A method that explains one scan after the other, each with the same draws.

    Args:
        network: classifier, from images (B, C, H, W[, D]) to class logits (B, K).
        num_samples: draws a scan.
        noise: standard deviation of the noise that is added to a scan, intensity of a range of 2.
        seed: seed of the draws.
    """

    def __init__(self, network: nn.Module, num_samples: int, noise: float, seed: int) -> None:
        super().__init__(network)
        self.num_samples, self.noise, self.seed = num_samples, noise, seed

    def _attribute(self, image: Tensor, target: Tensor) -> Tensor:
        maps = []
        for scan, label in zip(image.split(1), target.split(1), strict=True):
            with fix_draws(self.seed):
                maps.append(self._attribute_scan(scan, label).detach())
        return torch.cat(maps)

    @abstractmethod
    def _attribute_scan(self, scan: Tensor, target: Tensor) -> Tensor:
        """Return the map of a batch of one scan."""


class SmoothGrad(DrawingMethod):
    """Gradient of the logit, averaged over noisy copies of the scan.

    Source: Smilkov et al., 2017 (https://arxiv.org/abs/1706.03825).

    Args:
        network: classifier.
        num_samples: noisy copies.
        noise: standard deviation of the noise, intensity of a range of 2.
        seed: seed of the noise.
        chunk_size: images computed at once.
    """

    def __init__(
        self, network: nn.Module, num_samples: int = 25, noise: float = 0.3, seed: int = 0, chunk_size: int = 64
    ) -> None:
        super().__init__(network, num_samples, noise, seed)
        self.chunk_size = chunk_size
        self.method = captum.attr.NoiseTunnel(captum.attr.Saliency(network))

    def _attribute_scan(self, scan: Tensor, target: Tensor) -> Tensor:
        return self.method.attribute(
            scan, nt_samples=self.num_samples, nt_samples_batch_size=self.chunk_size, stdevs=self.noise, target=target, abs=False
        )


class GradientSHAP(DrawingMethod):
    """Gradient of the logit between a drawn reference scan and the scan, times their difference, averaged: expected gradients.

    Source: Lundberg and Lee, NeurIPS 2017 (https://arxiv.org/abs/1705.07874); Erion et al., 2021
    (https://doi.org/10.1038/s42256-021-00343-w).

    Args:
        network: classifier.
        references: scans that the explained one is compared with, shape (N, C, H, W[, D]).
        num_samples: draws of a reference and a point on the way from it.
        noise: standard deviation of the noise that is added to the scan, intensity of a range of 2.
        seed: seed of the draws.
    """

    def __init__(
        self, network: nn.Module, references: Tensor, num_samples: int = 50, noise: float = 0.0, seed: int = 0
    ) -> None:
        super().__init__(network, num_samples, noise, seed)
        self.references = references
        self.method = captum.attr.GradientShap(network)

    def _attribute_scan(self, scan: Tensor, target: Tensor) -> Tensor:
        references = self.references.to(scan.device)
        return self.method.attribute(scan, references, self.num_samples, self.noise, target)


def draw_scans(dataset: Dataset, count: int, label: int = 0, seed: int = 0) -> Tensor:
    """Return scans of a class, drawn without replacement, shape (N, C, H, W[, D]).

    Args:
        dataset: items with `image`; its `data` are the entries of the data list.
        count: wanted scans; fewer when the class has fewer.
        label: the class.
        seed: seed of the draw.

    Raises:
        ValueError: When there is no scan of the class.
    """
    members = [index for index, row in enumerate(dataset.data) if int(row["label"]) == label]
    if not members:
        raise ValueError(f"the training split has no scan of class {label}, which gradient_shap compares with")
    drawn = np.random.default_rng(seed).permutation(members)[:count]
    return torch.stack([without_metadata(dataset[int(index)]["image"]).float() for index in drawn])


@contextmanager
def fix_draws(seed: int) -> Iterator[None]:
    """Seed NumPy and PyTorch inside the block, and leave them afterwards as they were.

    Args:
        seed: the seed.
    """
    state = np.random.get_state()
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            np.random.seed(seed)  # captum draws from NumPy's global generator as well
            yield
    finally:
        np.random.set_state(state)
