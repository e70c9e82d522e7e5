"""How typical a scan is of those that a network was trained for: what the network keeps to say it."""

import torch
from torch import Tensor, nn

PARTS = ("attribute", "reconstruction", "content")  # of what is compared
BOTH = PARTS.index("reconstruction")  # unusual on both sides: a blurred scan is reconstructed too well
SLOTS = 1024  # scans, at most, that a scan is compared with


class Typicality(nn.Module):
    """Scores of held-out scans of the cohort, by which those of a new scan become p-values; empty until it is fitted.

    A score says how unusual a scan is in one respect. A new scan and the kept ones are regarded as one sample: a scan's rank in a
    part is how many of the sample are as unusual or more so. The p-value of the new scan is the share of the sample whose
    smallest rank is as small; of equal ranks the one farther from the median is smaller. So one of twenty scans like the cohort's
    has 0.05 or less; with fewer than 19 kept scans none can have it.

    Source: conformal p-values, Vovk et al., 2005, Sec. 2.2; Bates et al., Annals of Statistics 51, 2023, for detecting outliers
    (https://arxiv.org/abs/2104.08279).

    Args:
        num_features: numbers that describe a content, F, see `bundle.attribution.typicality`.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.centre: Tensor  # mean of the features of training scans, (F,)
        self.whitening: Tensor  # makes their covariance the identity, (F, F)
        self.scores: Tensor  # of scans of the cohort, (3, SLOTS)
        self.count: Tensor  # how many scans these are
        self.register_buffer("centre", torch.zeros(num_features))
        self.register_buffer("whitening", torch.eye(num_features))
        self.register_buffer("scores", torch.zeros(len(PARTS), SLOTS))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def find_distance(self, features: Tensor) -> Tensor:
        """Return the Mahalanobis distance of features (B, F) from those of training scans, shape (B,)."""
        return ((features - self.centre) @ self.whitening).norm(dim=1)

    def set_scores(self, scores: Tensor) -> None:
        """Keep the scores of scans of the cohort, shape (n, 3), with n up to `SLOTS`; a larger score is more unusual."""
        scores = scores[:SLOTS].to(self.scores)
        self.count.fill_(len(scores))
        self.scores.zero_()
        self.scores[:, : len(scores)] = scores.T

    def find_p_values(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return the p-values of scans, shape (B,), and the most unusual part of each, shape (B,); NaN before it is fitted.

        Args:
            scores: shape (B, 3).
        """
        count = int(self.count)
        if not count:
            return torch.full_like(scores[:, 0], torch.nan), torch.zeros(len(scores), dtype=torch.long)
        kept = self.scores[:, None, :count].expand(-1, len(scores), -1)
        sample = torch.cat([kept, scores.to(self.scores).T[..., None]], dim=2)  # (3, B, n + 1), the new scan last
        ordered = sample.sort(dim=2).values
        larger = count + 1 - torch.searchsorted(ordered, sample)  # or as large
        smaller = torch.searchsorted(ordered, sample, right=True)
        ranks = larger.clone()
        ranks[BOTH] = 2 * torch.minimum(larger, smaller)[BOTH]
        ranks = ranks - self._find_excess(sample)
        least = ranks.amin(0)  # (B, n + 1)
        return (least <= least[:, -1:]).sum(1) / (count + 1), ranks[..., -1].argmin(0)

    def _find_excess(self, sample: Tensor) -> Tensor:
        """Return how far scores (3, B, n + 1) lie from the median of the kept ones, 0 to 1: it decides between equal ranks."""
        kept = self.scores[:, : int(self.count)]
        median = kept.median(1).values[:, None]
        spread = (kept - median).abs().median(1).values[:, None].clamp(min=torch.finfo(kept.dtype).tiny)
        signed = (sample - median[..., None]) / spread[..., None]
        distance = signed.clamp(min=0)
        distance[BOTH] = signed[BOTH].abs()
        return distance / (1 + distance)
