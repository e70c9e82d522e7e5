"""Translation of a batch of scans between classes, as one training step needs it."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from bundle.networks import ICAM, Discriminators
from bundle.ranks import draw_normal
from bundle.sampling import draw_on_device
from bundle.structures import DomainLogits, Latents
from bundle.training.mean_change import MeanChange


class Shown(NamedTuple):
    """What the discriminators see of a generator step, and what is noted of it.

    Attributes:
        mean: attribute means of the scans, shape (B, *latent_shape).
        target: classes of the partners, to which the scans are translated, shape (B,).
        content: contents of the scans, shape (B, C, H/4, W/4[, D/4]); None where no discriminator sees them.
        translated: exemplar, then sampled translations, shape (2B, C, H, W[, D]); None where no discriminator sees them.
        attribute_classes: classes of the attributes of the translations, or of the first ones, where sampled ones have none.
        encoded: contents of the scans before the erasure; None where it is not.
    """

    mean: Tensor
    target: Tensor
    content: Tensor | None
    translated: Tensor | None
    attribute_classes: Tensor
    encoded: Tensor | None = None

    def detach(self) -> "Shown":
        """Return the same without the way back to encoders and generator."""
        parts = self.content, self.translated, self.encoded
        content, translated, encoded = (None if part is None else part.detach() for part in parts)
        return Shown(self.mean.detach(), self.target, content, translated, self.attribute_classes, encoded)


class Translation:
    """A batch of scans, encoded, reconstructed and translated; each part is computed when it is first used, and once.

    Every scan is translated with the attribute of a partner of another class ("exemplar") and with an attribute drawn for that
    class ("sampled"). Images have shape (B, C, H, W[, D]), contents (B, C, H/4, W/4[, D/4]), attributes (B, *latent_shape).

    Source: Bass et al., NeurIPS 2020, Sec. 3.1 and Fig. 3 (https://arxiv.org/abs/2006.08287).

    Args:
        network: encoders and generator.
        image: scans, intensities in [-1, 1].
        labels: their classes, shape (B,).
        partner: index of each scan's partner, see `pair_classes`, shape (B,).
        values: a quantity to regress, one a scan, shape (B,), standardised; None without regression.
        activation_checkpointing: whether activations are computed again for the gradient instead of kept: less memory, more
            time, the same numbers.
        mean_change: keeps the means of the loss term of this name; None without it.
    """

    def __init__(
        self,
        network: ICAM,
        image: Tensor,
        labels: Tensor,
        partner: Tensor,
        values: Tensor | None = None,
        activation_checkpointing: bool = False,
        mean_change: MeanChange | None = None,
    ) -> None:
        self.network, self.activation_checkpointing, self.mean_change = network, activation_checkpointing, mean_change
        self.image, self.labels, self.partner, self.values = image, labels, partner, values
        self.target = labels[partner]

    @cached_property
    def encoded(self) -> Tensor:
        """What the content encoder makes of the scans."""
        return self._run(self.network.content_encoder, self.image, self.posterior[0])

    @cached_property
    def content(self) -> Tensor:
        """Content latent, z_c."""
        return self.network.erase(self.encoded, self.posterior[0])

    @cached_property
    def posterior(self) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the attribute latent."""
        return self._run(self.network.attribute_encoder, self.image)

    @cached_property
    def attribute(self) -> Tensor:
        """Attribute drawn from its posterior, z_a."""
        mean, log_variance = self.posterior
        return mean + (0.5 * log_variance).exp() * draw_normal(mean)

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
        """Own content, own attribute; decoded with the translations where these come first."""
        return self._run(self.network.generator, self.content, self.attribute, self.labels)

    @cached_property
    def sampled_attribute(self) -> Tensor:
        """Attributes drawn for the target class, see `draw_on_device`."""
        return draw_on_device(self.network, self.target)

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
        """Translations and their shift, in one call with the reconstruction: what needs the content alone is then drawn once."""
        content, size = self.content, len(self.labels)
        attributes, classes = [self.target_attribute], [self.target, self.target]
        if together := "reconstruction" not in self.__dict__:
            attributes, classes = [self.attribute, *attributes], [self.labels, *classes]
        images, shift = self._run(self.network.generator.decode_with_shift, content, torch.cat(attributes), torch.cat(classes))
        if together:
            self.__dict__["reconstruction"], images = images.split([size, 2 * size])
            shift = None if shift is None else shift[size:]
        return images, shift

    @property
    def translated(self) -> Tensor:
        """Own content with the target attributes, shape (2B, C, H, W[, D])."""
        return self._decoded[0]

    @property
    def shift(self) -> Tensor:
        """Shift of the tissue in the translations, voxels, shape (2B, spatial_dims, H/2, W/2[, D/2]).

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
        return self.translated.chunk(2)[0]

    @property
    def sampled(self) -> Tensor:
        """Own content, sampled attribute."""
        return self.translated.chunk(2)[1]

    @cached_property
    def reencoded(self) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the attribute of the translations, ideally the target attribute."""
        return self._run(self.network.attribute_encoder, self.translated)

    @cached_property
    def cycle_latents(self) -> Latents:
        """Encoding of the exemplar translation, which does not learn from it: else it hides what it takes away (ours)."""
        exemplar = self.exemplar.detach()
        mean, log_variance = self._run(self.network.attribute_encoder, exemplar)
        content = self.network.erase(self._run(self.network.content_encoder, exemplar, mean), mean)
        return Latents(content, mean, log_variance)

    @cached_property
    def cycle(self) -> Tensor:
        """Content of the exemplar translation with the scan's own attribute, encoded from its partner's translation."""
        own = self.cycle_latents.mean[self.partner.argsort()]
        return self._run(self.network.generator, self.cycle_latents.content, own, self.labels)

    def _run(self, module: Callable, *inputs: Tensor) -> Any:
        return checkpoint(module, *inputs, use_reentrant=False) if self.activation_checkpointing else module(*inputs)


class Judgement:
    """What the discriminators make of a batch and its translations; each part is computed when it is first used, and once.

    Args:
        discriminators: D_c and D.
        image: scans, shape (B, C, H, W[, D]).
        labels: their classes, shape (B,).
        shown: what a generator step made of them.
    """

    def __init__(self, discriminators: Discriminators, image: Tensor, labels: Tensor, shown: "Shown") -> None:
        self.discriminators, self.image, self.labels, self.shown = discriminators, image, labels, shown

    @property
    def target(self) -> Tensor:
        """Classes that the translations are to have, shape (2B,)."""
        return self.shown.target.repeat(2)

    @cached_property
    def content_logits(self) -> Tensor:
        """Class logits of the contents, shape (B, K)."""
        return self.discriminators.content(self.shown.content)

    @cached_property
    def image_logits(self) -> DomainLogits:
        """Output of the domain discriminator for the scans."""
        return self.discriminators.domain(self.image)

    @cached_property
    def translated_logits(self) -> DomainLogits:
        """Output of the domain discriminator for the translations."""
        return self.discriminators.domain(self.shown.translated)


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
