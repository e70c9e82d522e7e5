"""The full objective, Eq. 5: what the network and the two discriminators minimise.

A term is a method; its weight is an entry of the config. A term of weight zero is not computed, nor what only it needs.

Source: Bass et al., NeurIPS 2020, Eq. 1-5 (https://arxiv.org/abs/2006.08287).
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, l1_loss, mse_loss, softplus

from bundle.training.losses import KLLoss, RoughnessLoss, UniformClassLoss
from bundle.training.translation import Judgement, Translation


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
        self.weights = check_weights(type(self).__name__, weights, self.terms)

    def __call__(self, batch: Any) -> dict[str, Tensor]:
        """Return each term of non-zero weight, unweighted, and their weighted sum as `total`.

        Args:
            batch: what the terms take, a `Translation` or a `Judgement`.
        """
        values = {name: getattr(self, name)(batch) for name in self.weights}
        total = sum((self.weights[name] * value for name, value in values.items()), batch.image.new_zeros(()))
        return {**values, "total": total}


class GeneratorObjective(Objective):
    """Terms that the encoders and the generator minimise by themselves."""

    divergence, roughness = KLLoss(), RoughnessLoss()

    def content_l2(self, t: Translation) -> Tensor:
        """The content stays small (Sec. 3.2)."""
        return t.content.square().mean()

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

    def mean_change(self, t: Translation) -> Tensor:
        """The mean change between two classes is the difference of their mean scans (ours).

        Raises:
            ValueError: When the translation keeps no means.
        """
        if t.mean_change is None:
            raise ValueError("the loss term mean_change needs a MeanChange, and the training has none")
        return t.mean_change(t.image, t.labels, t.translated, t.target.repeat(2))

    def shift_roughness(self, t: Translation) -> Tensor:
        """Neighbouring tissue moves alike (ours; for `DeformingGenerator` alone)."""
        return self.roughness(t.shift)

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


class AdversarialObjective(Objective):
    """Terms that the encoders and the generator minimise against the discriminators."""

    uniform_class = UniformClassLoss()

    def content_adversarial(self, j: Judgement) -> Tensor:
        """The content holds nothing of the class (Eq. 1)."""
        return self.uniform_class(j.content_logits)

    def domain_adversarial(self, j: Judgement) -> Tensor:
        """Translations look real (Sec. 3.3)."""
        return _cross_entropy_to_real(j.translated_logits.real_as(j.target))

    def domain_class(self, j: Judgement) -> Tensor:
        """Translations look like their target class (Sec. 3.3), where their attribute is of that class."""
        classes = j.shown.attribute_classes
        return cross_entropy(j.translated_logits.label[: len(classes)], classes)


class DiscriminatorObjective(Objective):
    """Terms that the content and the domain discriminator minimise."""

    def content_class(self, j: Judgement) -> Tensor:
        """The class is read from the content (Eq. 1)."""
        return cross_entropy(j.content_logits, j.labels)

    def domain_adversarial(self, j: Judgement) -> Tensor:
        """Real scans are separated from translations, which count as much together."""
        real = _cross_entropy_to_real(j.image_logits.real_as(j.labels))
        return 0.5 * (real + _cross_entropy_to_real(-j.translated_logits.real_as(j.target)))

    def domain_class(self, j: Judgement) -> Tensor:
        """The class of real scans is predicted."""
        return cross_entropy(j.image_logits.label, j.labels)


def check_weights(name: str, weights: Mapping[str, float], terms: Sequence[str]) -> dict[str, float]:
    """Return the weights that are not zero.

    Args:
        name: whose terms they weigh, for the message.
        weights: weight of each term.
        terms: names of the terms that there are.

    Raises:
        ValueError: When a name is no term, or a weight is negative.
    """
    if unknown := sorted(set(weights) - set(terms)):
        raise ValueError(f"{name} has no term {', '.join(unknown)}; its terms are {', '.join(terms)}")
    if negative := [f"{term}: {weights[term]}" for term in sorted(weights) if weights[term] < 0]:
        raise ValueError(f"weights must not be negative, got {', '.join(negative)}")
    return {term: float(weight) for term, weight in weights.items() if weight}


def _cross_entropy_to_real(logits: Tensor) -> Tensor:
    """Mean binary cross entropy of logits to "real"; MONAI's PatchAdversarialLoss saturates, and autocast refuses its BCELoss."""
    return softplus(-logits).mean()
