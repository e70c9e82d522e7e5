"""Phases of a training: their terms, how a short run cuts them, and which epochs compete for the network that is kept."""

import copy
import logging
from collections.abc import Mapping, Sequence

from ignite.engine import Engine

from bundle.training.objective import AdversarialObjective, DiscriminatorObjective, GeneratorObjective, check_weights

logger = logging.getLogger(__name__)


class Phase:
    """A part of a training run, with terms and a batch size of its own.

    Args:
        epochs: number of epochs; None for all that are left.
        batch_size: scans in a batch, as many of each class.
        weights: weights of the terms of `GeneratorObjective` and `AdversarialObjective`.
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
        against = AdversarialObjective.terms
        self.weights = check_weights("GeneratorObjective", weights, against + GeneratorObjective.terms)
        self.generator = GeneratorObjective({term: weight for term, weight in self.weights.items() if term not in against})
        self.adversarial = AdversarialObjective({term: weight for term, weight in self.weights.items() if term in against})
        self.discriminators = DiscriminatorObjective(discriminator_weights)

    def __repr__(self) -> str:
        """Return the settings, by which a resumed run is compared."""
        return f"Phase({self.epochs}, {self.batch_size}, {self.weights}, {self.discriminators.weights})"

    @property
    def shows_content(self) -> bool:
        """Whether a discriminator sees contents."""
        return "content_adversarial" in self.adversarial.weights or "content_class" in self.discriminators.weights

    @property
    def shows_translations(self) -> bool:
        """Whether a discriminator sees translations."""
        seen = {"domain_adversarial", "domain_class"} & set(self.adversarial.weights)
        return bool(seen) or "domain_adversarial" in self.discriminators.weights


def fit_phases(phases: Sequence[Phase], max_epochs: int) -> list[Phase]:
    """Cut the phases before the last one, the whole objective, so that a short training has an epoch of it.

    The latest of them are cut first; a sentence in the log names what was cut.

    Args:
        phases: parts of the training.
        max_epochs: epochs of the training.

    Returns:
        The phases, copies of those that are cut.

    Raises:
        ValueError: When there is no phase, or not one epoch.
    """
    check_epochs(phases, max_epochs)
    fitted, left = [], max_epochs - 1
    for phase in phases[:-1]:
        wanted = left if phase.epochs is None else phase.epochs
        part = copy.copy(phase)
        part.epochs = min(wanted, left)
        left -= part.epochs
        if part.epochs < wanted:
            logger.warning(
                "The phase %s is cut from %d to %d epochs: max_epochs is %d, and the last epoch has the whole objective",
                phase.name, wanted, part.epochs, max_epochs,
            )  # fmt: skip
        fitted.append(part)
    return [*fitted, phases[-1]]


def check_epochs(phases: Sequence[Phase], max_epochs: int, val_interval: int = 1) -> None:
    """Refuse a training of which no epoch has the whole objective and a validation: it would leave no network.

    Args:
        phases: parts of the training; a short one cuts those before the last.
        max_epochs: epochs of the training.
        val_interval: epochs between validations.

    Raises:
        ValueError: When there is no phase or no such epoch.
    """
    if not phases:
        raise ValueError("phases must be a list that ends with the phase of the whole objective, got none")
    if max_epochs < 1:
        raise ValueError(f"max_epochs must be at least 1, for an epoch of the whole objective, got {max_epochs}")
    if val_interval < 1:
        raise ValueError(f"val_interval must be at least 1 epoch, got {val_interval}")
    first = min(count_first_epochs(phases), max_epochs - 1)
    if max_epochs // val_interval == first // val_interval:
        raise ValueError(
            f"no epoch of the whole objective, {first + 1} to {max_epochs}, is validated with val_interval {val_interval}:"
            " no network would be kept; accepted are more max_epochs or a smaller val_interval"
        )


def count_first_epochs(phases: Sequence[Phase]) -> int:
    """Return the number of epochs before the whole objective."""
    return sum(phase.epochs or 0 for phase in phases[:-1])


def name_phase(engine: Engine) -> str:
    """Return the name of the phase of a trainer's epoch; of a trainer without phases an empty one."""
    phases = getattr(engine, "phases", ())
    return engine.find_phase().name if phases else ""


def has_whole_objective(engine: Engine) -> bool:
    """Return whether a trainer's epoch has the whole objective, as every epoch of a trainer without phases has."""
    phases = getattr(engine, "phases", ())
    return not phases or engine.state.epoch > count_first_epochs(phases)
