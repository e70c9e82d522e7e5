"""Deletion and insertion: whether the voxels that a map marks are those that make a scan its class."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from monai.utils import ensure_tuple_rep
from scipy.ndimage import gaussian_filter
from torch import Tensor

from bundle.data.intensities import BACKGROUND
from bundle.evaluation.explainers import Explainer
from bundle.evaluation.faithfulness.cases import list_cases
from bundle.evaluation.faithfulness.independent_classifier import IndependentClassifier
from bundle.evaluation.ground_truth.truths import find_own_truth
from bundle.evaluation.names import DELETION, FAITHFULNESS

RANDOM, TRUTH = "random", "truth"  # rows beside the methods: voxels in random order, and those of the truth first
MARGIN = 1e-6  # intensity above the background from which a voxel is one of the scan


class Deletion:
    """Replace the voxels of scans by smoothed ones, in the order of a map, and classify what is left.

    Written by hand: captum and MONAI have no such measure.

    Args:
        classifier: independent classifier.
        shares: shares of the scan's voxels that are replaced, rising, in (0, 1], two at least.
        blur: standard deviation of the Gaussian that smooths a scan, mm.
        voxel_size: edge of a voxel in mm, for all axes or one an axis.
        num_scans: diseased scans of each split; None for all.
        seed: seed of the scans and of the random order.

    Raises:
        ValueError: When `shares` do not rise, or `blur` is not above 0.
    """

    def __init__(
        self,
        classifier: IndependentClassifier,
        shares: Sequence[float] = (0.01, 0.1, 1.0),
        blur: float = 10.0,
        voxel_size: float | Sequence[float] = 1.0,
        num_scans: int | None = None,
        seed: int = 0,
    ) -> None:
        if blur <= 0:
            raise ValueError(f"blur must be above 0 mm, got {blur}")
        if len(shares) < 2 or any(low >= high for low, high in pairwise((0.0, *shares))) or shares[-1] > 1:
            raise ValueError(f"shares must rise, above 0 and up to 1 at most, two at least, got {list(shares)}")
        self.classifier, self.blur, self.voxel_size = classifier, blur, voxel_size
        self.shares = [float(share) for share in shares]
        self.num_scans, self.seed = num_scans, seed

    def score(self, explainer: Explainer) -> Iterator[dict[str, Any]]:
        """Yield `deletion` and `insertion` of all methods, of a random order and of the truth, a row a scan and method."""
        for case in list_cases(explainer.split, explainer.explains, self.num_scans, self.seed, to_controls=True):
            about = {"direction": case.direction, "protocol": DELETION}
            for batch in explainer.split.batches(case.indices, f"deleting voxels ({case.direction})"):
                made = explainer.make_maps(batch, case.target)
                for position, index in enumerate(batch):
                    maps = {method: images[position] for method, images in made.items()}
                    for row in self._score_scan(explainer, index, case.target, maps):
                        yield explainer.split.describe(index) | row | about

    def _score_scan(self, explainer: Explainer, index: int, target: int, maps: dict[str, Tensor]) -> Iterator[dict[str, Any]]:
        split = explainer.split
        scan = split.load(index)
        truth = find_own_truth(scan, split.load(split.references[index][target]))
        maps = maps | {RANDOM: torch.zeros_like(scan.image)} | ({} if truth is None else {TRUTH: truth.image})
        smoothed = smooth(scan.image, [self.blur / edge for edge in ensure_tuple_rep(self.voxel_size, scan.image.ndim - 1)])
        for method, values in maps.items():
            ranks = rank_voxels(values, scan.image, [self.seed, index])
            given = scan.image, smoothed, ranks, scan.label, self.shares
            yield {"method": method} | score_order(lambda images: self.classifier.predict(images)[0], *given)


def smooth(image: Tensor, sigma: float | Sequence[float]) -> Tensor:
    """Smooth a scan (C, H, W[, D]) by a Gaussian, `sigma` in voxels; the background neither counts nor changes."""
    inside = _find_inside(image)
    axes = tuple(range(1, image.ndim))
    total, weight = (
        gaussian_filter(part.double().numpy(), sigma, mode="constant", axes=axes) for part in (image * inside, inside)
    )
    mean = torch.from_numpy(total / np.maximum(weight, np.finfo(float).tiny)).to(image)
    return mean.where(inside, image)


def rank_voxels(values: Tensor, image: Tensor, seed: Sequence[int]) -> Tensor:
    """Return the ranks of a scan's voxels, from 0, by falling |map|, both of shape (C, H, W[, D]).

    The background comes last, and equal values in random order; the seed is the same for all maps of a scan.
    """
    chance = np.random.default_rng(seed).permutation(values.numel())
    keys = chance, -values.abs().flatten().numpy(), ~_find_inside(image).flatten().numpy()
    ranks = np.empty(values.numel(), dtype=np.int64)
    ranks[np.lexsort(keys)] = np.arange(values.numel())
    return torch.from_numpy(ranks).view_as(values)


def score_order(
    classify: Callable[[Tensor], Tensor], image: Tensor, smoothed: Tensor, ranks: Tensor, label: int, shares: Sequence[float]
) -> dict[str, float]:
    """Return how likely a scan keeps its class while its voxels are replaced by smoothed ones, and while they are inserted.

    Scan, smoothed scan and ranks have the shape (C, H, W[, D]); `classify` returns class probabilities (B, K) of images.
    The probability of the class is averaged over the logarithm of the share of replaced voxels (trapezoidal rule), since
    a lesion has a few percent of them. Deletion: a low mean is good, the first voxels are those that matter. Insertion, into the
    smoothed scan: a high one.

    Source: Petsiuk et al., BMVC 2018, Sec. 4.2 (https://arxiv.org/abs/1806.07421), there over the share itself.
    """
    count = int(_find_inside(image).sum())
    chosen = torch.stack([ranks < max(1, round(share * count)) for share in shares])  # (S, C, H, W[, D])
    images = torch.cat([torch.where(chosen, smoothed, image), torch.where(chosen, image, smoothed)])
    curves = classify(images)[:, label].double().numpy().reshape(2, -1)
    places = np.log(shares)
    means = np.trapezoid(curves, places, axis=1) / (places[-1] - places[0])
    return dict(zip(FAITHFULNESS[DELETION], means.tolist(), strict=True))


def _find_inside(image: Tensor) -> Tensor:
    return image > BACKGROUND + MARGIN
