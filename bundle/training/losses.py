"""Loss terms of ICAM that PyTorch does not have; each is a mean, so that its weight depends on no batch or latent size."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class KLLoss(nn.Module):
    """Kullback-Leibler divergence of the encoded attribute from N(0, I), a latent element.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2, VAE loss (https://arxiv.org/abs/2006.08287).
    """

    def forward(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return mean((mu^2 + sigma^2 - 1 - log sigma^2) / 2) over batch and latent.

        Args:
            mean: means, shape (B, 1, H/16, W/16[, D/16]).
            log_variance: log-variances, same shape.

        Raises:
            ValueError: When the shapes differ.
        """
        if mean.shape != log_variance.shape:
            raise ValueError(f"shapes must be equal, got {tuple(mean.shape)} and {tuple(log_variance.shape)}")
        return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()


class UniformClassLoss(nn.Module):
    """Divergence of predicted class probabilities from the uniform distribution; zero when they hold nothing of the class.

    The cross entropy to the uniform distribution, less its smallest value log K.

    Source: Bass et al., NeurIPS 2020, Eq. 1, the content encoder's part (https://arxiv.org/abs/2006.08287).
    """

    def forward(self, logits: Tensor) -> Tensor:
        """Return the mean divergence of logits of shape (B, K).

        Raises:
            ValueError: When the logits have not two dimensions.
        """
        if logits.ndim != 2:
            raise ValueError(f"logits must have shape (B, K), got {tuple(logits.shape)}")
        return -(functional.log_softmax(logits, dim=1).mean() + math.log(logits.shape[1]))


class RoughnessLoss(nn.Module):
    """Diffusion regulariser of a shift field: mean square of its differences between neighbours.

    By hand, because MONAI's `DiffusionLoss` takes central differences, which a field that alternates passes unseen.

    Source: Balakrishnan et al., IEEE TMI 2019, smoothness loss (https://arxiv.org/abs/1809.05231).
    """

    def forward(self, shift: Tensor) -> Tensor:
        """Return the mean squared difference along each axis, summed over the axes; in the square of the shift's unit.

        Args:
            shift: shape (B, spatial_dims, H, W[, D]).

        Raises:
            ValueError: When an axis has a single element.
        """
        if min(shift.shape[2:]) < 2:
            raise ValueError(f"a shift needs at least two places along each axis, got shape {tuple(shift.shape)}")
        differences = [shift.diff(dim=axis).square().mean() for axis in range(2, shift.ndim)]
        return torch.stack(differences).sum()
