"""How typical a scan is of those that a network was trained for: what the network keeps to say it."""

import torch
from torch import Tensor, nn

PARTS = ("attribute", "reconstruction", "content")  # of what is compared
BOTH = "reconstruction"  # unusual on both sides: a blurred scan is reconstructed too well
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
        kept, new = self.scores[:, :count].contiguous(), scores.to(self.scores).T[..., None]  # (3, n), (3, B, 1)
        others = kept[:, None]
        larger, smaller = (others >= new).sum(2) + 1, (others <= new).sum(2) + 1  # in the sample, (3, B)
        least, part = (_find_ranks(larger, smaller) - self._find_excess(new[..., 0])).min(0)  # (B,)
        ordered = kept.sort(dim=1).values.contiguous()
        above = count - torch.searchsorted(ordered, kept)  # of the kept ones, itself among them, (3, n)
        below = torch.searchsorted(ordered, kept, right=True)
        ranks = _find_ranks(above[:, None] + (new >= others), below[:, None] + (new <= others))  # (3, B, n)
        unusual = (ranks - self._find_excess(kept)[:, None]).amin(0) <= least[:, None]  # (B, n)
        return (1 + unusual.sum(1)) / (count + 1), part

    def _find_excess(self, scores: Tensor) -> Tensor:
        """Return how far scores (3, ...) lie from the median of the kept ones, 0 to 1: it decides between scans of one rank."""
        kept = self.scores[:, : int(self.count)]
        median = kept.median(1).values
        spread = (kept - median[:, None]).abs().median(1).values.clamp(min=torch.finfo(kept.dtype).tiny)
        column = (-1, *[1] * (scores.ndim - 1))
        distance = (scores - median.view(column)) / spread.view(column)
        distance = torch.cat(
            [(part.abs() if name == BOTH else part.clamp(min=0))[None] for name, part in zip(PARTS, distance, strict=True)]
        )
        return distance / (1 + distance)


def _find_ranks(larger: Tensor, smaller: Tensor) -> Tensor:
    """Return ranks of parts (3, ...), 1 the most unusual, from how many of the sample are as large or larger, or smaller."""
    two_sided = 2 * torch.minimum(larger, smaller)
    return torch.cat([(two if name == BOTH else one)[None] for name, one, two in zip(PARTS, larger, two_sided, strict=True)])
