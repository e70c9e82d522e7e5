"""Agreement of feature attribution maps with the true change and its extent."""

import torch
from monai.metrics import CumulativeIterationMetric
from sklearn.metrics import average_precision_score
from torch import Tensor

EXTENT_SHARE = 0.25  # of the largest |change| of a scan, above which a voxel counts as changed


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
        _check_shapes(maps, other)
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


def find_extent(truth: Tensor, share: float = EXTENT_SHARE) -> Tensor:
    """Return where a truth shows a change: the lesion itself of a mask, the larger changes of a map of changes.

    Args:
        truth: lesion masks or exact changes, shape (B, C, H, W[, D]).
        share: voxels count whose |truth| exceeds this share of its largest value in the scan, in [0, 1).

    Returns:
        True inside, same shape; nowhere for an empty truth.

    Raises:
        ValueError: When `share` is not in [0, 1).
    """
    if not 0 <= share < 1:
        raise ValueError(f"share must be at least 0 and less than 1, got {share}")
    largest = truth.abs().flatten(1).amax(1).view(-1, *[1] * (truth.ndim - 1))
    return truth.abs() > share * largest


def compute_auprc(maps: Tensor, extent: Tensor) -> Tensor:
    """Return the area under the precision-recall curve of |map| as a detector of changed voxels, one value a scan.

    The average precision, sum over thresholds of (recall_n - recall_(n-1)) precision_n. A map without information has the
    share of voxels that are changed.

    Source: Saito and Rehmsmeier, PLoS ONE 2015 (https://doi.org/10.1371/journal.pone.0118432); scikit-learn's
    `average_precision_score`.

    Args:
        maps: FA maps, signed, shape (B, C, H, W[, D]).
        extent: true where there is a change, from `find_extent`, same shape.

    Returns:
        Values in [0, 1], double precision, shape (B,). NaN where |map| is constant or not finite and where nothing is changed.

    Raises:
        ValueError: When the shapes differ.
    """
    _check_shapes(maps, extent)
    values = torch.full((len(maps),), torch.nan, dtype=torch.float64)
    for index in _find_scored(maps, extent).nonzero()[:, 0].tolist():
        pair = extent[index].flatten().cpu().numpy(), maps[index].flatten().abs().cpu().numpy()
        values[index] = float(average_precision_score(*pair))
    return values


def compute_pointing(maps: Tensor, extent: Tensor) -> Tensor:
    """Return whether the voxel of the largest |map| is a changed one, 1 or 0: the pointing game, one value a scan.

    Where several voxels share the largest value, as in maps made of blocks, the result is the share of them that are changed:
    what drawing one of them gives on average.

    Source: Zhang et al., ECCV 2016, Sec. 4.1 (https://arxiv.org/abs/1608.00507), without tolerance.

    Args:
        maps: FA maps, signed, shape (B, C, H, W[, D]).
        extent: true where there is a change, from `find_extent`, same shape.

    Returns:
        Values in [0, 1], double precision, shape (B,). NaN where |map| is constant or not finite and where nothing is changed.

    Raises:
        ValueError: When the shapes differ.
    """
    _check_shapes(maps, extent)
    magnitude, changed = maps.abs().flatten(1), extent.flatten(1)
    peak = magnitude == magnitude.amax(1, keepdim=True)
    values = (peak & changed).sum(1).double() / peak.sum(1)
    return values.where(_find_scored(maps, extent), torch.nan)


def _find_scored(maps: Tensor, extent: Tensor) -> Tensor:
    """Return of which scans |map| varies and is finite, and something is changed, shape (B,)."""
    magnitude = maps.abs().flatten(1)
    return (magnitude.amax(1) > magnitude.amin(1)) & magnitude.isfinite().all(1) & extent.flatten(1).any(1)


def _check_shapes(maps: Tensor, other: Tensor) -> None:
    if maps.shape != other.shape:
        raise ValueError(f"shapes must be equal, got {tuple(maps.shape)} and {tuple(other.shape)}")


class NCCMetric(CumulativeIterationMetric):
    """Mean NCC over scans, for MONAI's evaluators (through `monai.handlers.IgniteMetricHandler`).

    Args:
        masked: whether the truth carries, after its own channels, as many masks of the voxels that count; the handler of MONAI
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
