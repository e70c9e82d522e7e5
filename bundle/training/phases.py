"""Phases of a training: how a short run cuts them, and which epochs compete for the network that is kept."""

import copy
import logging
from collections.abc import Sequence

from ignite.engine import Engine

from bundle.training.objective import Phase

logger = logging.getLogger(__name__)


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
