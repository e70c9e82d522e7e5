"""Settings that contradict each other, found before the scans are read."""

from collections.abc import Sequence

import pandas as pd

from bundle.data.samplers import check_batch_size
from bundle.training.phases import Phase, check_epochs
from bundle.training.schedules import fit_warmup


def check_settings(
    phases: Sequence[Phase],
    num_classes: int,
    max_epochs: int,
    epoch_length: int | None,
    warmup_iterations: int,
    val_interval: int = 1,
) -> None:
    """Refuse batches that no classes fill evenly, and trainings of which no network would be kept.

    Args:
        phases: parts of the training.
        num_classes: number of classes, K.
        max_epochs: epochs of the training.
        epoch_length: iterations of an epoch; None when the scans decide.
        warmup_iterations: iterations until the learning rate's peak.
        val_interval: epochs between validations.

    Raises:
        ValueError: When one of these is found.
    """
    for phase in phases:
        check_batch_size(phase.batch_size, num_classes)
    check_epochs(phases, max_epochs, val_interval)
    if epoch_length is not None:
        fit_warmup(warmup_iterations, max_epochs * epoch_length)


def check_key_metric(key_metric: str, manifest: pd.DataFrame) -> None:
    """Refuse to choose the best network by a figure that the validation split does not give.

    Args:
        key_metric: the figure.
        manifest: table of the cohort.

    Raises:
        ValueError: When it is NCC, and no validation scan has a lesion mask or disease map.
    """
    rows = manifest[manifest["split"] == "validation"]
    known = any(rows[name].notna().any() for name in ("mask", "disease_map") if name in rows)
    if key_metric.startswith("ncc") and len(rows) and not known:
        raise ValueError(
            f"the validation split has no lesion masks and no disease maps for key_metric {key_metric}: use accuracy"
        )
