"""How typical a scan is of those that a network was trained for: what the network keeps to say it."""

import torch
from torch import Tensor, nn

PARTS = ("attribute", "reconstruction", "content")  # of what is compared
SLOTS = 1024  # scans, at most, that a scan is compared with


class Typicality(nn.Module):
    """Scores of held-out scans of the cohort, by which those of a new scan become p-values; empty until it is fitted.

    A score says how unusual a scan is in one respect. A new scan and the kept ones are regarded as one sample: a scan's p-value
    in a part is the share of the sample that is as unusual or more so, and that of the new scan is the share of the sample whose
    smallest p-value is as small. So at most one of twenty scans like the cohort's has 0.05 or less, whatever the number kept;
    with fewer than 19 kept scans none can have it.

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
        """Keep the scores of scans of the cohort, shape (n, 3), with n up to `SLOTS`; a larger score is more unusual.

        That of the reconstruction is unusual on both sides: a blurred scan is reconstructed too well.
        """
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
        kept, new = self.scores[:, :count], scores.to(self.scores).T[..., None]  # (3, n), (3, B, 1)
        larger, smaller = (kept[:, None] >= new).sum(2) + 1, (kept[:, None] <= new).sum(2) + 1  # in the sample, (3, B)
        least, part = _find_shares(larger, smaller, count + 1).min(0)  # (B,)
        ordered = kept.sort(dim=1).values.contiguous()
        above = count - torch.searchsorted(ordered, kept.contiguous())  # of the kept ones, itself among them, (3, n)
        below = torch.searchsorted(ordered, kept.contiguous(), right=True)
        larger, smaller = above[:, None] + (new >= kept[:, None]), below[:, None] + (new <= kept[:, None])  # (3, B, n)
        others = _find_shares(larger, smaller, count + 1).amin(0)  # (B, n)
        return (1 + (others <= least[:, None]).sum(1)) / (count + 1), part


def _find_shares(larger: Tensor, smaller: Tensor, count: int) -> Tensor:
    """Return p-values of parts (3, ...), from how many of a sample of `count` scans are as large or larger, or smaller."""
    both = PARTS.index("reconstruction")  # unusual on both sides
    shares = larger / count
    shares[both] = (2 * torch.minimum(shares[both], smaller[both] / count)).clamp(max=1)
    return shares
