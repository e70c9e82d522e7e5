"""How typical a scan is of those that a network was trained for: what the network keeps to say it."""

import torch
from torch import Tensor, nn

PARTS = ("attribute", "reconstruction", "content")  # of what is compared
SLOTS = 1024  # scans, at most, that a scan is compared with


class Typicality(nn.Module):
    """Scores of held-out scans of the cohort, by which those of a new scan become p-values; empty until it is fitted.

    A score says how unusual a scan is in one respect. Its p-value is the share of the cohort's scans that are as unusual or more
    so; that of a scan is the share of those whose smallest p-value is as small. So one of twenty such scans has 0.05 or less.

    Source: conformal p-values, Vovk et al., 2005, Sec. 2.2; Bates et al., Annals of Statistics 51, 2023, for detecting outliers
    (https://arxiv.org/abs/2104.08279).

    Args:
        num_features: numbers that describe a content, F, see `bundle.attribution.typicality`.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.centre: Tensor  # mean of the features of training scans, (F,)
        self.whitening: Tensor  # makes their covariance the identity, (F, F)
        self.scores: Tensor  # of scans of the cohort, in ascending order, (3, SLOTS)
        self.least: Tensor  # their smallest p-values, in ascending order, (SLOTS,)
        self.count: Tensor  # how many scans these are
        self.register_buffer("centre", torch.zeros(num_features))
        self.register_buffer("whitening", torch.eye(num_features))
        self.register_buffer("scores", torch.zeros(len(PARTS), SLOTS))
        self.register_buffer("least", torch.zeros(SLOTS))
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
        self.scores[:, : len(scores)] = scores.T.sort(dim=1).values
        self.least.zero_()
        self.least[: len(scores)] = self._find_parts(scores).amin(1).sort().values

    def find_p_values(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return the p-values of scans, shape (B,), and the most unusual part of each, shape (B,); NaN before it is fitted.

        Args:
            scores: shape (B, 3).
        """
        count = int(self.count)
        if not count:
            return torch.full_like(scores[:, 0], torch.nan), torch.zeros(len(scores), dtype=torch.long)
        least, part = self._find_parts(scores.to(self.scores)).min(1)
        below = torch.searchsorted(self.least[:count], least.contiguous(), right=True)
        return (1 + below) / (count + 1), part

    def _find_parts(self, scores: Tensor) -> Tensor:
        """Return the p-value of each part of scores (B, 3), same shape."""
        count = int(self.count)
        kept, values = self.scores[:, :count].contiguous(), scores.T.contiguous()
        above = count - torch.searchsorted(kept, values)  # as large or larger, (3, B)
        below = torch.searchsorted(kept, values, right=True)
        shares = (1 + above) / (count + 1)
        both = PARTS.index("reconstruction")  # unusual on both sides
        shares[both] = (2 * torch.minimum(shares[both], (1 + below[both]) / (count + 1))).clamp(max=1)
        return shares.T
