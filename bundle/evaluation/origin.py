"""Where an evaluated network comes from: its file, and whether it was trained for the cohort that it is evaluated on."""

import logging
from pathlib import Path
from typing import Any

from bundle.checkpoints import read_about
from bundle.cohorts import Identity
from bundle.cohorts.identity import list_classes
from bundle.data.signatures import SCANS, compute_signature, find_known
from bundle.evaluation.split import Split

logger = logging.getLogger(__name__)
UNKNOWN = "unknown"


class Origin:
    """A network's file beside the cohort.

    Args:
        checkpoint: file of the weights.
        identity: the cohort that the network is evaluated on.

    Attributes:
        class_names: names of the cohort's classes, or else of the network's; empty where neither has any.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no checkpoint, or its classes are those of the cohort in another order.
    """

    def __init__(self, checkpoint: str | Path, identity: Identity) -> None:
        self.checkpoint, self.identity, self.about = Path(checkpoint), identity, read_about(checkpoint)
        self.class_names = identity.class_names or [str(name) for name in self.about.get("class_names", [])]
        self.trained_for = str(self.about.get("cohort", UNKNOWN))
        learned = [str(name) for name in self.about.get("class_names", [])]
        if learned != identity.class_names and sorted(learned) == sorted(identity.class_names):
            raise ValueError(
                f"{checkpoint} has the classes {list_classes(learned)}, and the cohort the same in another order,"
                f" {list_classes(identity.class_names)}: give the cohort's labels the order of the network's classes"
            )

    def describe(self) -> dict[str, Any]:
        """Return what `settings.json` says of the network's file and of the classes."""
        return {"checkpoint": str(self.checkpoint), "trained_for": self.trained_for, "class_names": self.class_names}

    def list_lines(self) -> list[str]:
        """Return lines on the network's file and the classes, for the end of the terminal's output."""
        epoch = f", epoch {self.about['epoch']} of the phase {self.about['phase'] or UNKNOWN}" if "epoch" in self.about else ""
        lines = [f"Checkpoint: {self.checkpoint} (trained for: {self.trained_for}{epoch})"]
        return [*lines, f"Classes: {list_classes(self.class_names)}"] if self.class_names else lines

    def list_warnings(self, split: Split) -> list[str]:
        """Return a sentence for each reason for which the figures may mislead, and write it into the log.

        Args:
            split: the test split.
        """
        found, own = [], self.identity
        if self.trained_for == UNKNOWN:
            found.append(f"{self.checkpoint} does not say which cohort it was trained for")
        elif not own.is_cohort_of(self.about):
            names = [f"{name}{f' ({listed})' if listed else ''}" for name, listed in (
                (self.trained_for, list_classes(self.about.get("class_names", []))), (own.name, list_classes(own.class_names)),
            )]  # fmt: skip
            found.append(
                f"{self.checkpoint} was trained for the cohort {names[0]}, and is evaluated on another, {names[1]}: give"
                " --checkpoint the model.pt of a training on this cohort, unless a foreign network is what you want to score"
            )
        seen = self._count_training_scans(split)
        if seen:
            found.append(f"the network was trained on {seen} of the {len(split)} test scans: figures are too good")
        for sentence in found:
            logger.warning("%s", sentence)
        return found

    def _count_training_scans(self, split: Split) -> int:
        known = self.about.get(SCANS)
        if known is None:
            return 0
        return sum(find_known(compute_signature(split.stack([index])[0]), known) for index in range(len(split)))
