"""Return types that several modules share."""

from typing import NamedTuple

from torch import Tensor


class Latents(NamedTuple):
    """Output of the two encoders for a batch of images.

    Attributes:
        content: class-irrelevant latent, z_c, shape (B, C, H/4, W/4[, D/4]).
        mean: mean of the class-relevant latent, z_a, shape (B, 1, H/16, W/16[, D/16]).
        log_variance: its log-variance, same shape.
    """

    content: Tensor
    mean: Tensor
    log_variance: Tensor


class DomainLogits(NamedTuple):
    """Output of the domain discriminator.

    Attributes:
        real: logit of being a real scan, shape (B, 1), or of being a real one of each class, shape (B, K).
        label: class logits, shape (B, K).
    """

    real: Tensor
    label: Tensor

    def real_as(self, labels: Tensor) -> Tensor:
        """Return the logit of being a real scan of the given classes (B,), shape (B,); all alike from an unconditional one."""
        return self.real.expand(-1, self.label.shape[1]).gather(1, labels[:, None])[:, 0]


class Attributes(NamedTuple):
    """Attributes that scans are given in place of their own.

    Attributes:
        values: attribute latents, one a scan or N of a class, shape (B or N, *latent_shape).
        mirrored: those of mirrored reference scans, for mirrored views; None for the same. An attribute that is itself mirrored
            need not be of its class: its elements are not mirror images of each other.
    """

    values: Tensor
    mirrored: Tensor | None = None


class AttributionMaps(NamedTuple):
    """Feature attribution of a batch of scans, translated to `target`.

    Attributes:
        target: class, or regressed value, translated to, shape (B,).
        mean: mean FA map over the samples, signed, intensity units of the scan, shape (B, C, H, W[, D]).
        variance: unbiased variance over samples and views, same shape; zero for a single exemplar in one view.
        translated: mean translated scan, same shape.
        draws: maps of the first N draws, shape (N, B, C, H, W[, D]); None where they are not kept.
    """

    target: Tensor
    mean: Tensor
    variance: Tensor
    translated: Tensor
    draws: Tensor | None = None
