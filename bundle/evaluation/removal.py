"""Deletion and insertion: whether the voxels that a map names are those that make a scan its class."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from bundle.data.intensities import BACKGROUND
from bundle.evaluation.cases import Case
from bundle.evaluation.encoding import plain
from bundle.evaluation.explainers import Explainer
from bundle.evaluation.judge import Judge
from bundle.evaluation.truths import find_own_truth

REMOVAL = "removal"  # protocol of these figures in the tables
METRICS = ("deletion", "insertion")
RANDOM, TRUTH = "random", "truth"  # rows beside the methods: voxels in random order, and those of the truth first
MARGIN = 1e-6  # intensity above the background from which a voxel is one of the scan


class Removal:
    """Replace the voxels of scans by smoothed ones, in the order in which maps name them, and ask a judge for the class.

    Args:
        judge: independent classifier.
        shares: shares of the scan's voxels that are replaced, rising, in (0, 1].
        sigma: standard deviation of the Gaussian that smooths a scan, voxels, for all axes or one an axis.
        seed: seed of the random order.

    Raises:
        ValueError: When `shares` do not rise.
    """

    def __init__(self, judge: Judge, shares: Sequence[float], sigma: float | Sequence[float], seed: int = 0) -> None:
        self.judge, self.shares, self.sigma, self.seed = judge, check_shares(shares), sigma, seed

    def score(self, explainer: Explainer, case: Case) -> Iterator[dict[str, Any]]:
        """Yield `deletion` and `insertion` of all methods, of a random order and of the truth, a row a scan and method.

        Args:
            explainer: the methods.
            case: scans of one class, and the class that maps lead to.
        """
        for batch in case.split("removing voxels"):
            maps = explainer.make_maps(batch, case.target)
            for position, index in enumerate(batch):
                values = {method: images[position] for method, images in maps.items()}
                values |= self._beside(explainer, index, case.target)
                yield from (explainer.scorer.describe(index) | row for row in self._score_scan(explainer, index, values))

    def _score_scan(self, explainer: Explainer, index: int, maps: dict[str, Tensor]) -> Iterator[dict[str, Any]]:
        image = plain(explainer.scorer.test[index]["image"])
        smoothed, label = smooth(image, self.sigma), int(explainer.scorer.test.data[index]["label"])
        for method, values in maps.items():
            ranks = rank_voxels(values, image, [self.seed, index])
            yield {"method": method} | score_removal(self.judge.judge, image, smoothed, ranks, label, self.shares)

    def _beside(self, explainer: Explainer, index: int, target: int) -> dict[str, Tensor]:
        """Return the maps beside those of the methods: a constant one, whose order is random, and the truth."""
        scorer = explainer.scorer
        scan = scorer.load(index)
        truth = find_own_truth(scan, scorer.load(scorer.references[index][target]))
        return {RANDOM: torch.zeros_like(scan["image"])} | ({} if truth is None else {TRUTH: truth.image})


def check_shares(shares: Sequence[float]) -> tuple[float, ...]:
    """Return shares of the voxels that are removed, one after the other.

    Args:
        shares: rising, in (0, 1], two at least.

    Raises:
        ValueError: When they are not.
    """
    edges = (0.0, *shares)
    if len(shares) < 2 or any(low >= high for low, high in pairwise(edges)) or edges[-1] > 1:
        raise ValueError(f"shares must rise, above 0 and up to 1 at most, two at least, got {list(shares)}")
    return tuple(float(share) for share in shares)


def smooth(image: Tensor, sigma: float | Sequence[float]) -> Tensor:
    """Return a scan whose voxels are means of those around, weighted by a Gaussian; the background neither counts nor changes.

    Args:
        image: scan, intensities in [-1, 1], shape (C, H, W[, D]).
        sigma: standard deviation, voxels, for all axes or one an axis.
    """
    inside = _find_inside(image)
    axes = tuple(range(1, image.ndim))
    total, weight = (
        gaussian_filter(part.double().numpy(), sigma, mode="constant", axes=axes) for part in (image * inside, inside)
    )
    mean = torch.from_numpy(total / np.maximum(weight, np.finfo(float).tiny)).to(image)
    return mean.where(inside, image)


def rank_voxels(values: Tensor, image: Tensor, seed: Sequence[int]) -> Tensor:
    """Rank the voxels of a scan by falling |map|; the background comes last, and equal values in random order.

    Args:
        values: map, signed, shape (C, H, W[, D]).
        image: scan, same shape.
        seed: seed of the order of equal values, the same for all maps of the scan.

    Returns:
        Ranks from 0, same shape.
    """
    chance = np.random.default_rng(seed).permutation(values.numel())
    keys = chance, -values.abs().flatten().numpy(), ~_find_inside(image).flatten().numpy()
    ranks = np.empty(values.numel(), dtype=np.int64)
    ranks[np.lexsort(keys)] = np.arange(values.numel())
    return torch.from_numpy(ranks).view_as(values)


def score_removal(
    judge: Callable[[Tensor], Tensor], image: Tensor, smoothed: Tensor, ranks: Tensor, label: int, shares: Sequence[float]
) -> dict[str, float]:
    """Return how likely a scan keeps its class while its voxels are replaced by smoothed ones, and while they come back.

    The judge's probability of the class is averaged over the logarithm of the share of replaced voxels (trapezoidal rule), since
    a lesion has a few percent of them. Deletion: a low mean is good, the first voxels are those that matter. Insertion, into the
    smoothed scan: a high one.

    Source: Petsiuk et al., BMVC 2018, Sec. 4.2 (https://arxiv.org/abs/1806.07421), there over the share itself.

    Args:
        judge: images (B, C, H, W[, D]) to class probabilities (B, K).
        image: scan, intensities in [-1, 1], shape (C, H, W[, D]).
        smoothed: what its voxels are replaced by, same shape.
        ranks: order of the voxels, from `rank_voxels`.
        label: class of the scan.
        shares: shares of the scan's voxels, from `check_shares`.

    Returns:
        `deletion` and `insertion`, in [0, 1].
    """
    count = int(_find_inside(image).sum())
    chosen = torch.stack([ranks < max(1, round(share * count)) for share in shares])  # (S, C, H, W[, D])
    images = torch.cat([torch.where(chosen, smoothed, image), torch.where(chosen, image, smoothed)])
    curves = judge(images)[:, label].double().numpy().reshape(2, -1)
    places = np.log(shares)
    means = np.trapezoid(curves, places, axis=1) / (places[-1] - places[0])
    return dict(zip(METRICS, means.tolist(), strict=True))


def _find_inside(image: Tensor) -> Tensor:
    return image > BACKGROUND + MARGIN
