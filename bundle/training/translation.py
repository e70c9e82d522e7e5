"""Translation of a batch of scans between classes, as one training step needs it."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from bundle.networks import ICAM, Discriminators
from bundle.sampling import draw_latents
from bundle.structures import DomainLogits, Latents


class Translation:
    """A batch of scans, encoded, reconstructed and translated; each part is computed when it is first used, and once.

    Every scan is translated with the attribute of a partner of another class ("exemplar") and with an attribute drawn for that
    class ("sampled"). Images have shape (B, C, H, W[, D]), contents (B, C, H/4, W/4[, D/4]), attributes (B, *latent_shape).

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 and Fig. 3 (https://arxiv.org/abs/2006.08287).

    Args:
        network: encoders and generator.
        discriminators: D_c and D.
        image: scans, intensities in [-1, 1], as many of each class, grouped by class.
        labels: their classes, shape (B,), in ascending order.
        values: a quantity to regress, one a scan, shape (B,), standardised; None without regression.
        activation_checkpointing: whether activations are computed again for the gradient instead of kept: less memory, more
            time, the same numbers.

    Raises:
        ValueError: When the batch is not class-balanced or not sorted by class.
    """

    def __init__(
        self,
        network: ICAM,
        discriminators: Discriminators,
        image: Tensor,
        labels: Tensor,
        values: Tensor | None = None,
        activation_checkpointing: bool = False,
    ) -> None:
        self.network, self.discriminators, self.activation_checkpointing = network, discriminators, activation_checkpointing
        self.image, self.labels, self.values = image, labels, values
        self.partner = pair_classes(labels)
        self.target = labels[self.partner]

    @cached_property
    def content(self) -> Tensor:
        """Content latent, z_c."""
        return self._run(self.network.content_encoder, self.image, self.posterior[0])

    @cached_property
    def posterior(self) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the attribute latent."""
        return self._run(self.network.attribute_encoder, self.image)

    @cached_property
    def attribute(self) -> Tensor:
        """Attribute drawn from its posterior, z_a."""
        mean, log_variance = self.posterior
        return mean + (0.5 * log_variance).exp() * torch.randn_like(mean)

    @cached_property
    def logits(self) -> Tensor:
        """Class logits of the attribute, shape (B, K)."""
        return self.network.classify(self.attribute)

    @cached_property
    def predicted_values(self) -> Tensor:
        """Regressed quantity, shape (B,)."""
        return self.network.attribute_encoder.regress(self.attribute)

    @cached_property
    def reconstruction(self) -> Tensor:
        """Own content, own attribute."""
        return self._run(self.network.generator, self.content, self.attribute, self.labels)

    @cached_property
    def sampled_attribute(self) -> Tensor:
        """Attributes drawn from the prior given the target class, or from the whole prior without a classifier."""
        return draw_latents(self.network, self.target)[:, 0]

    @cached_property
    def target_attribute(self) -> Tensor:
        """Attribute of the partner, then the sampled attribute, shape (2B, *latent_shape)."""
        return torch.cat([self.attribute[self.partner], self.sampled_attribute])

    @property
    def attribute_classes(self) -> Tensor:
        """Classes of the target attributes, shape (2B,); of the partners' alone, (B,), where sampled ones have no class."""
        of_class = self.network.generator.class_conditional or self.network.attribute_encoder.classifier is not None
        return self.target.repeat(2) if of_class else self.target

    @cached_property
    def _decoded(self) -> tuple[Tensor, Tensor | None]:
        """Translations and their shift."""
        return self._run(self.network.generator.decode_with_shift, self.content, self.target_attribute, self.target.repeat(2))

    @property
    def translated(self) -> Tensor:
        """Own content with the target attributes, shape (2B, C, H, W[, D])."""
        return self._decoded[0]

    @property
    def shift(self) -> Tensor:
        """Shift of the tissue in the translations, voxels, shape (2B, spatial_dims, H/4, W/4[, D/4]).

        Raises:
            ValueError: When the generator moves nothing.
        """
        shift = self._decoded[1]
        if shift is None:
            raise ValueError(f"{type(self.network.generator).__name__} moves no tissue: leave out the loss term shift_roughness")
        return shift

    @property
    def exemplar(self) -> Tensor:
        """Own content, attribute of the partner."""
        return self.translated[: len(self.labels)]

    @property
    def sampled(self) -> Tensor:
        """Own content, sampled attribute."""
        return self.translated[len(self.labels) :]

    @cached_property
    def reencoded(self) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the attribute of the translations, ideally the target attribute."""
        return self._run(self.network.attribute_encoder, self.translated)

    @cached_property
    def cycle_latents(self) -> Latents:
        """Encoding of the exemplar translation."""
        mean, log_variance = (half[: len(self.labels)] for half in self.reencoded)
        return Latents(self._run(self.network.content_encoder, self.exemplar, mean), mean, log_variance)

    @cached_property
    def cycle(self) -> Tensor:
        """Content of the exemplar translation with the scan's own attribute, encoded from its partner's translation."""
        own = self.cycle_latents.mean[self.partner.argsort()]
        return self._run(self.network.generator, self.cycle_latents.content, own, self.labels)

    @cached_property
    def image_logits(self) -> DomainLogits:
        """Output of the domain discriminator for the scans; the discriminators' step alone uses it."""
        return self.discriminators.domain(self.image)

    @cached_property
    def translated_logits(self) -> DomainLogits:
        """Output of the domain discriminator for the translations; the generator's step alone uses it, after D has changed."""
        return self.discriminators.domain(self.translated)

    def _run(self, module: Callable, *inputs: Tensor) -> Any:
        return checkpoint(module, *inputs, use_reentrant=False) if self.activation_checkpointing else module(*inputs)


def pair_classes(labels: Tensor, shift: int | None = None) -> Tensor:
    """Return for each scan of a batch the index of one of another class: the batch shifted by whole classes.

    Args:
        labels: classes, shape (B,), as many scans of each, in ascending order.
        shift: by how many classes, 1 to K - 1; None draws it.

    Returns:
        A permutation of the batch, shape (B,).

    Raises:
        ValueError: When the batch is not class-balanced or not sorted by class.
    """
    classes, counts = labels.unique_consecutive(return_counts=True)
    if len(classes) < 2 or len(counts.unique()) > 1 or bool((classes.diff() <= 0).any()):
        raise ValueError(f"a batch needs the same number of scans of each class, sorted by class, got {labels.tolist()}")
    if shift is None:
        shift = int(torch.randint(1, len(classes), ()))
    return torch.arange(len(labels), device=labels.device).roll(-shift * int(counts[0]))
