"""Agreement of feature attribution maps with the true change, and the uncertainty of its mean."""

from collections.abc import Sequence

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from torch import Tensor


def compute_ncc(maps: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the normalised cross-correlation of |map| and |truth|, one value a scan.

    NCC = sum((a - mean a)(b - mean b)) / sqrt(sum((a - mean a)^2) sum((b - mean b)^2)) with a = |map|, b = |truth|, over the
    voxels of one scan (those of `mask`): Pearson's correlation. Computed in double precision.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287), there over a flattened batch.

    Args:
        maps: FA maps, signed, shape (B, C, H, W[, D]).
        truth: lesion masks or exact changes, same shape.
        mask: voxels that count, 1 inside and 0 outside, same shape; None for the whole image. What lies outside is not read.

    Returns:
        Values in [-1, 1], double precision, shape (B,). NaN where |map| or |truth| is constant over the voxels that count (an
        empty truth among them), where no voxel counts, and where one that counts is not finite.

    Raises:
        ValueError: When the shapes differ.
    """
    for other in (truth,) if mask is None else (truth, mask):
        if maps.shape != other.shape:
            raise ValueError(f"shapes must be equal, got {tuple(maps.shape)} and {tuple(other.shape)}")
    counted = torch.ones_like(maps, dtype=torch.bool) if mask is None else mask > 0.5
    counted = counted.flatten(1)  # (B, N)
    first, second = (_centre(image.flatten(1).double().abs(), counted) for image in (maps, truth))
    return (first * second).sum(1) / (first.square().sum(1) * second.square().sum(1)).sqrt()


def _centre(values: Tensor, counted: Tensor) -> Tensor:
    """Return values (B, N) less their mean over `counted`, zero elsewhere; a row that is constant there is exactly zero."""
    infinity = torch.tensor(float("inf"), dtype=values.dtype, device=values.device)
    constant = values.where(counted, -infinity).amax(1) <= values.where(counted, infinity).amin(1)
    mean = values.where(counted, 0.0).sum(1) / counted.sum(1)
    return (values - mean[:, None]).where(counted & ~constant[:, None], 0.0)


def bootstrap_interval(
    values: Sequence[float] | np.ndarray | Tensor, level: float = 0.95, num_resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean over scans.

    Source: Efron, Ann. Statist. 1979 (https://doi.org/10.1214/aos/1176344552).

    Args:
        values: one value a scan, shape (N,); NaN are left out.
        level: probability that the interval is to cover, in (0, 1).
        num_resamples: resamples with replacement.
        seed: of the resampling; equal input gives equal output.

    Returns:
        Lower and upper end; NaN when fewer than two values remain.

    Raises:
        ValueError: When `level` is not in (0, 1) or `num_resamples` is below 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be at least 1, got {num_resamples}")
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    if kept.size < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    means = kept[generator.integers(kept.size, size=(num_resamples, kept.size))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


class NCCMetric(CumulativeIterationMetric):
    """Mean NCC over scans, for MONAI's evaluators (through `monai.handlers.IgniteMetricHandler`).

    Args:
        masked: whether the truth carries, after its own channels, as many that say which voxels count; the handler of MONAI
            passes pairs and has no place for a third image. Otherwise the whole image counts.
    """

    def __init__(self, masked: bool = False) -> None:
        super().__init__()
        self.masked = masked

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None) -> Tensor:  # type: ignore[override]
        if y is None:
            raise ValueError("NCCMetric needs the truth as its second input, got None")
        truth, mask = y.chunk(2, dim=1) if self.masked else (y, None)
        return compute_ncc(y_pred, truth, mask).unsqueeze(1)  # (B, 1)

    def aggregate(self) -> Tensor:
        """Return the mean over the scans whose NCC is defined, a scalar; NaN when there is none."""
        values = self.get_buffer()
        return torch.full((), torch.nan, dtype=torch.float64) if values is None else values.nanmean()
