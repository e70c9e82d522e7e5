"""The full objective, Eq. 5: what the generator and the two discriminators minimise.

A term is a method; its weight is an entry of the config. A term of weight zero is not computed, nor what only it needs.

Source: Bass et al., NeurIPS 2020, Eq. 1-5 (https://arxiv.org/abs/2006.08287).
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from bundle.networks import ContentDiscriminator, DomainDiscriminator
from bundle.training.losses import AdversarialLoss, KLLoss, MapLoss, RoughnessLoss, UniformClassLoss
from bundle.training.translation import Translation


class Objective:
    """A weighted sum of named terms.

    Args:
        weights: weight of each term, dimensionless; the terms left out weigh nothing.
        content_discriminator: D_c.
        domain_discriminator: D.

    Raises:
        ValueError: When a name is no term, or a weight is negative.
    """

    terms: ClassVar[tuple[str, ...]] = ()
    adversarial = AdversarialLoss()

    def __init__(
        self,
        weights: Mapping[str, float],
        content_discriminator: ContentDiscriminator,
        domain_discriminator: DomainDiscriminator,
    ) -> None:
        check_weights(type(self), weights)
        self.weights = {name: float(weight) for name, weight in weights.items() if weight}
        self.content_discriminator = content_discriminator
        self.domain_discriminator = domain_discriminator

    def __call__(self, translation: Translation) -> dict[str, Tensor]:
        """Return each term of non-zero weight, unweighted, and their weighted sum as `total`."""
        values = {name: getattr(self, name)(translation) for name in self.weights}
        total = sum((self.weights[name] * value for name, value in values.items()), translation.image.new_zeros(()))
        return {**values, "total": total}


class GeneratorObjective(Objective):
    """Terms that the encoders and the generator minimise."""

    terms = (
        "content_adversarial",
        "content_l2",
        "content_consistency",
        "attribute_class",
        "kl",
        "latent_regression",
        "latent_readout",
        "map",
        "map_reconstruction",
        "shift_roughness",
        "domain_adversarial",
        "domain_class",
        "reconstruction_l1",
        "reconstruction_l2",
        "cycle_l1",
        "cycle_l2",
        "regression",
    )

    divergence, map_size, roughness, uniform_class = KLLoss(), MapLoss(), RoughnessLoss(), UniformClassLoss()

    def content_adversarial(self, t: Translation) -> Tensor:
        """The content tells nothing of the class (Eq. 1)."""
        return self.uniform_class(self.content_discriminator(t.content))

    def content_l2(self, t: Translation) -> Tensor:
        """The content stays small (Sec. 3.2)."""
        return t.content.square().mean()

    def content_consistency(self, t: Translation) -> Tensor:
        """Translation leaves the content as it is (ours)."""
        return functional.l1_loss(t.returned.content, t.content)

    def attribute_class(self, t: Translation) -> Tensor:
        """The attribute tells the class (Sec. 3.2)."""
        return functional.cross_entropy(t.logits, t.labels)

    def kl(self, t: Translation) -> Tensor:
        """The attribute is distributed as the prior (Sec. 3.2)."""
        return self.divergence(*t.posterior)

    def latent_regression(self, t: Translation) -> Tensor:
        """A drawn attribute can be read from the scan made with it (Eq. 2)."""
        return functional.l1_loss(t.recovered[0][len(t.labels) :], t.drawn)

    def latent_readout(self, t: Translation) -> Tensor:
        """Class and value are read from a translation as from the attribute it was made with (ours).

        The rest of the attribute, of which no scan could show every element, is not asked for.
        """
        encoder = t.network.attribute_encoder
        readouts = [encoder.classify] if encoder.regressor is None else [encoder.classify, encoder.regress]
        differences = [functional.l1_loss(read(t.recovered[0]), read(t.asked).detach()) for read in readouts]
        return torch.stack(differences).sum()

    def map(self, t: Translation) -> Tensor:
        """Translations stay close to the scan (Sec. 3.3)."""
        return self.map_size(t.exemplar, t.image) + self.map_size(t.sampled, t.image)

    def map_reconstruction(self, t: Translation) -> Tensor:
        """Translations stay close to the scan's own reconstruction, so that the map is sparse (ours)."""
        return self.map_size(t.exemplar, t.reconstruction) + self.map_size(t.sampled, t.reconstruction)

    def shift_roughness(self, t: Translation) -> Tensor:
        """Neighbouring tissue moves alike (ours; for `DeformingGenerator` alone)."""
        return self.roughness(t.shift)

    def domain_adversarial(self, t: Translation) -> Tensor:
        """Translations look real (Sec. 3.3)."""
        return self.adversarial(t.judged_by(self.domain_discriminator).real_as(t.target.repeat(2)), real=True)

    def domain_class(self, t: Translation) -> Tensor:
        """Translations look like their target class (Sec. 3.3), where their attribute is of that class."""
        return functional.cross_entropy(t.judged_by(self.domain_discriminator).label[: len(t.asked_classes)], t.asked_classes)

    def reconstruction_l1(self, t: Translation) -> Tensor:
        """Own content and attribute give the scan (Eq. 3)."""
        return functional.l1_loss(t.reconstruction, t.image)

    def reconstruction_l2(self, t: Translation) -> Tensor:
        """Own content and attribute give the scan (Eq. 3)."""
        return functional.mse_loss(t.reconstruction, t.image)

    def cycle_l1(self, t: Translation) -> Tensor:
        """Translation and back gives the scan (Eq. 4)."""
        return functional.l1_loss(t.cycle, t.image)

    def cycle_l2(self, t: Translation) -> Tensor:
        """Translation and back gives the scan (Eq. 4)."""
        return functional.mse_loss(t.cycle, t.image)

    def regression(self, t: Translation) -> Tensor:
        """The attribute tells the quantity of interest, such as the age (squared error).

        Raises:
            ValueError: When the batch has no quantity to regress.
        """
        if t.values is None:
            raise ValueError("the loss term regression needs a value for each scan, and the batch has none")
        return functional.mse_loss(t.predicted_values, t.values)


class DiscriminatorObjective(Objective):
    """Terms that the content and the domain discriminator minimise; no gradient reaches encoders or generator."""

    terms = ("content_class", "domain_adversarial", "domain_class")

    def content_class(self, t: Translation) -> Tensor:
        """The class is told from the content (Eq. 1)."""
        return functional.cross_entropy(self.content_discriminator(t.content.detach()), t.labels)

    def domain_adversarial(self, t: Translation) -> Tensor:
        """Real scans are told from translations, which count as much together."""
        real = self.adversarial(t.image_judged_by(self.domain_discriminator).real_as(t.labels), real=True)
        verdict = self.domain_discriminator(t.translated.detach())
        generated = self.adversarial(verdict.real_as(t.target.repeat(2)), real=False)
        return 0.5 * (real + generated)

    def domain_class(self, t: Translation) -> Tensor:
        """The class of real scans is told."""
        return functional.cross_entropy(t.image_judged_by(self.domain_discriminator).label, t.labels)


def check_weights(objective: type[Objective], weights: Mapping[str, float]) -> None:
    """Refuse weights of unknown terms, and negative ones.

    Args:
        objective: whose terms they are.
        weights: weight of each term.

    Raises:
        ValueError: When a name is no term, or a weight is negative.
    """
    unknown = sorted(set(weights) - set(objective.terms))
    if unknown:
        raise ValueError(f"{objective.__name__} has no term {', '.join(unknown)}; its terms are {', '.join(objective.terms)}")
    negative = sorted(name for name, weight in weights.items() if weight < 0)
    if negative:
        raise ValueError(f"weights must not be negative, got {', '.join(f'{n}: {weights[n]}' for n in negative)}")
