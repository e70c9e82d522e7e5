"""The two steps of an iteration as modules: images and labels go in, losses come out, and nothing waits for the device."""

from torch import Tensor, nn

from bundle.networks import ICAM, Discriminators
from bundle.training.mean_change import MeanChange
from bundle.training.objective import Objective
from bundle.training.phases import Phase
from bundle.training.translation import Judgement, Shown, Translation


class GeneratorStep(nn.Module):
    """What encoders and generator make of a batch, and their losses apart from those that the discriminators decide.

    The discriminators learn from what is shown to them before they decide theirs, so that one translation of the batch serves
    both. All weights that a phase trains are used inside `forward`.

    Source: Bass et al., NeurIPS 2020, Eq. 1-5 (https://arxiv.org/abs/2006.08287).

    Args:
        network: encoders and generator.
        phase: which terms count.
        activation_checkpointing: whether memory is saved by computing activations again for the gradient, see `Translation`.
        mean_change: keeps the means of the loss term of this name; None without it.
    """

    def __init__(
        self, network: ICAM, phase: Phase, activation_checkpointing: bool = False, mean_change: MeanChange | None = None
    ) -> None:
        super().__init__()
        self.network, self.phase, self.activation_checkpointing = network, phase, activation_checkpointing
        self.mean_change = mean_change

    def forward(
        self, image: Tensor, labels: Tensor, partner: Tensor, values: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Shown]:
        """Return the losses, each a scalar, with their weighted sum as `total`, and what the discriminators see.

        Args:
            image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
            labels: their classes, shape (B,).
            partner: index of each scan's partner, shape (B,), see `pair_classes`.
            values: a quantity to regress, shape (B,), standardised; None without regression.
        """
        if self.mean_change is not None:
            self.mean_change.observe(image, labels)
        batch = Translation(self.network, image, labels, partner, values, self.activation_checkpointing, self.mean_change)
        content = batch.content if self.phase.shows_content else None
        translated = batch.translated if self.phase.shows_translations else None
        losses = self.phase.generator(batch)
        encoded = None if self.network.erasure is None else batch.encoded
        return losses, Shown(batch.posterior[0], batch.target, content, translated, batch.attribute_classes, encoded)


class DiscriminatorStep(nn.Module):
    """The losses that the discriminators decide.

    Args:
        discriminators: D_c and D.
        objective: what they minimise themselves, or what encoders and generator minimise against them.
    """

    def __init__(self, discriminators: Discriminators, objective: Objective) -> None:
        super().__init__()
        self.discriminators, self.objective = discriminators, objective

    def forward(self, image: Tensor, labels: Tensor, shown: Shown) -> dict[str, Tensor]:
        """Return the losses, each a scalar, with their weighted sum as `total`.

        Args:
            image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
            labels: their classes, shape (B,).
            shown: what a `GeneratorStep` made of them.
        """
        return self.objective(Judgement(self.discriminators, image, labels, shown))
