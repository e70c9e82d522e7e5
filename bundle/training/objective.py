"""The full objective, Eq. 5: what the network and the two discriminators minimise, and when.

A term is a method; its weight is an entry of the config. A term of weight zero is not computed, nor what only it needs.

Source: Bass et al., NeurIPS 2020, Eq. 1-5 (https://arxiv.org/abs/2006.08287).
"""

import inspect
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, l1_loss, mse_loss, softplus

from bundle.training.losses import KLLoss, RoughnessLoss, UniformClassLoss
from bundle.training.translation import Translation


class Objective:
    """A weighted sum of named terms.

    Attributes:
        terms: names of the terms.

    Args:
        weights: weight of each term, dimensionless; the terms left out weigh nothing.

    Raises:
        ValueError: When a name is no term, or a weight is negative.
    """

    terms: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        cls.terms = tuple(name for name, member in vars(cls).items() if inspect.isfunction(member))

    def __init__(self, weights: Mapping[str, float]) -> None:
        if unknown := sorted(set(weights) - set(self.terms)):
            known = ", ".join(self.terms)
            raise ValueError(f"{type(self).__name__} has no term {', '.join(unknown)}; its terms are {known}")
        if negative := [f"{name}: {weights[name]}" for name in sorted(weights) if weights[name] < 0]:
            raise ValueError(f"weights must not be negative, got {', '.join(negative)}")
        self.weights = {name: float(weight) for name, weight in weights.items() if weight}

    def __call__(self, translation: Translation) -> dict[str, Tensor]:
        """Return each term of non-zero weight, unweighted, and their weighted sum as `total`."""
        values = {name: getattr(self, name)(translation) for name in self.weights}
        total = sum((self.weights[name] * value for name, value in values.items()), translation.image.new_zeros(()))
        return {**values, "total": total}


class GeneratorObjective(Objective):
    """Terms that the encoders and the generator minimise."""

    divergence, roughness, uniform_class = KLLoss(), RoughnessLoss(), UniformClassLoss()

    def content_adversarial(self, t: Translation) -> Tensor:
        """The content holds nothing of the class (Eq. 1)."""
        return self.uniform_class(t.discriminators.content(t.content))

    def content_l2(self, t: Translation) -> Tensor:
        """The content stays small (Sec. 3.2)."""
        return t.content.square().mean()

    def content_consistency(self, t: Translation) -> Tensor:
        """Translation leaves the content as it is (ours)."""
        return l1_loss(t.cycle_latents.content, t.content)

    def attribute_class(self, t: Translation) -> Tensor:
        """The class is read from the attribute (Sec. 3.2)."""
        return cross_entropy(t.logits, t.labels)

    def kl(self, t: Translation) -> Tensor:
        """The attribute is distributed as the prior (Sec. 3.2)."""
        return self.divergence(*t.posterior)

    def latent_regression(self, t: Translation) -> Tensor:
        """A sampled attribute is encoded again from the scan made with it (Eq. 2)."""
        return l1_loss(t.reencoded[0][len(t.labels) :], t.sampled_attribute)

    def latent_readout(self, t: Translation) -> Tensor:
        """Class and value are read from a translation as from the attribute it was made with (ours).

        The rest of the attribute, of which no scan could show every element, is free.
        """
        encoder = t.network.attribute_encoder
        readouts = [encoder.classify] if encoder.regressor is None else [encoder.classify, encoder.regress]
        differences = [l1_loss(read(t.reencoded[0]), read(t.target_attribute).detach()) for read in readouts]
        return torch.stack(differences).sum()

    def map(self, t: Translation) -> Tensor:
        """Translations stay close to the scan (Sec. 3.3)."""
        return l1_loss(t.exemplar, t.image) + l1_loss(t.sampled, t.image)

    def map_reconstruction(self, t: Translation) -> Tensor:
        """Translations stay close to the scan's own reconstruction, so that the map is sparse (ours)."""
        return l1_loss(t.exemplar, t.reconstruction) + l1_loss(t.sampled, t.reconstruction)

    def shift_roughness(self, t: Translation) -> Tensor:
        """Neighbouring tissue moves alike (ours; for `DeformingGenerator` alone)."""
        return self.roughness(t.shift)

    def domain_adversarial(self, t: Translation) -> Tensor:
        """Translations look real (Sec. 3.3)."""
        return _cross_entropy_to_real(t.translated_logits.real_as(t.target.repeat(2)))

    def domain_class(self, t: Translation) -> Tensor:
        """Translations look like their target class (Sec. 3.3), where their attribute is of that class."""
        return cross_entropy(t.translated_logits.label[: len(t.attribute_classes)], t.attribute_classes)

    def reconstruction_l1(self, t: Translation) -> Tensor:
        """Own content and attribute give the scan (Eq. 3)."""
        return l1_loss(t.reconstruction, t.image)

    def reconstruction_l2(self, t: Translation) -> Tensor:
        """Own content and attribute give the scan (Eq. 3)."""
        return mse_loss(t.reconstruction, t.image)

    def cycle_l1(self, t: Translation) -> Tensor:
        """Translation and back gives the scan (Eq. 4)."""
        return l1_loss(t.cycle, t.image)

    def cycle_l2(self, t: Translation) -> Tensor:
        """Translation and back gives the scan (Eq. 4)."""
        return mse_loss(t.cycle, t.image)

    def regression(self, t: Translation) -> Tensor:
        """The quantity of interest, such as the age, is read from the attribute (squared error).

        Raises:
            ValueError: When the batch has no quantity to regress.
        """
        if t.values is None:
            raise ValueError("the loss term regression needs a value for each scan, and the batch has none")
        return mse_loss(t.predicted_values, t.values)


class DiscriminatorObjective(Objective):
    """Terms that the content and the domain discriminator minimise; no gradient reaches encoders or generator."""

    def content_class(self, t: Translation) -> Tensor:
        """The class is read from the content (Eq. 1)."""
        return cross_entropy(t.discriminators.content(t.content.detach()), t.labels)

    def domain_adversarial(self, t: Translation) -> Tensor:
        """Real scans are separated from translations, which count as much together."""
        real = _cross_entropy_to_real(t.image_logits.real_as(t.labels))
        generated = t.discriminators.domain(t.translated.detach()).real_as(t.target.repeat(2))
        return 0.5 * (real + _cross_entropy_to_real(-generated))

    def domain_class(self, t: Translation) -> Tensor:
        """The class of real scans is predicted."""
        return cross_entropy(t.image_logits.label, t.labels)


class Phase:
    """A part of a training run, with terms and a batch size of its own.

    Args:
        epochs: number of epochs; None for all that are left.
        batch_size: scans in a batch, as many of each class.
        weights: weights of the terms of `GeneratorObjective`.
        discriminator_weights: weights of those of `DiscriminatorObjective`; empty when the discriminators are not trained.
        name: what the log and `train.csv` call it.

    Raises:
        ValueError: When a name is no term, or a weight is negative.
    """

    def __init__(
        self,
        epochs: int | None,
        batch_size: int,
        weights: Mapping[str, float],
        discriminator_weights: Mapping[str, float],
        name: str = "",
    ) -> None:
        self.epochs, self.batch_size, self.name = epochs, batch_size, name
        self.generator, self.discriminators = GeneratorObjective(weights), DiscriminatorObjective(discriminator_weights)

    def __repr__(self) -> str:
        """Return the settings, by which a resumed run is compared."""
        return f"Phase({self.epochs}, {self.batch_size}, {self.generator.weights}, {self.discriminators.weights})"


def _cross_entropy_to_real(logits: Tensor) -> Tensor:
    """Mean binary cross entropy of logits to "real"; MONAI's PatchAdversarialLoss saturates, and autocast refuses its BCELoss."""
    return softplus(-logits).mean()
