"""Settings that contradict each other, found before the scans are read."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bundle.data.samplers import check_batch_size
from bundle.files import hold_folder
from bundle.training.checkpoints import read_state
from bundle.training.phases import Phase, check_epochs
from bundle.training.schedules import fit_warmup
from bundle.training.trainer import LOCK

AUTO = "auto"


def check_settings(
    phases: Sequence[Phase],
    num_classes: int,
    max_epochs: int,
    epoch_length: int | None,
    warmup_iterations: int,
    val_interval: int = 1,
    learning_rates: Mapping[str, float] | None = None,
    read_interval: int = 1,
    num_workers: int = 0,
    amp: bool = False,
) -> None:
    """Refuse batches that no classes fill evenly, trainings that keep no network, empty epochs, and numbers that are too small.

    Args:
        phases: parts of the training.
        num_classes: number of classes, K.
        max_epochs: epochs of the training.
        epoch_length: iterations of an epoch; None when the scans decide.
        warmup_iterations: iterations until the learning rate's peak.
        val_interval: epochs between validations.
        learning_rates: peaks of the learning rates, by the keys that set them; None for no check.
        read_interval: iterations between readings of the losses.
        num_workers: processes that load data.
        amp: mixed precision.

    Raises:
        ValueError: When one of these is found.
    """
    for phase in phases:
        check_batch_size(phase.batch_size, num_classes)
    check_epochs(phases, max_epochs, val_interval)
    for key, number, least in (("read_interval", read_interval, 1), ("num_workers", num_workers, 0)):
        if not isinstance(number, int) or number < least:
            raise ValueError(f"{key} must be a whole number of at least {least}, got {number!r}")
    if not isinstance(amp, bool):
        raise ValueError(f"amp must be True or False, got {amp!r}")
    for key, rate in (learning_rates or {}).items():
        if not isinstance(rate, int | float) or not 0 <= rate < math.inf:
            raise ValueError(f"{key} must be a number of at least 0, got {rate!r}")
    if epoch_length is not None and epoch_length < 1:
        raise ValueError(f"epoch_length must be at least 1 iteration, or null for all scans, got {epoch_length}")
    if epoch_length is not None:
        fit_warmup(warmup_iterations, max_epochs * epoch_length)


def check_folder(folder: str | Path, settings: Mapping[str, Any], resume: bool) -> None:
    """Refuse a folder of a training, before the scans are read, that another training has, or whose state is of another one.

    Args:
        folder: folder of the training's files.
        settings: what decides the result.
        resume: whether the training goes on from a state there.

    Raises:
        ValueError: When it is such a folder.
    """
    with hold_folder(folder, Path(folder) / LOCK, "ckpt_dir"):
        if resume:
            read_state(Path(folder) / "state.pt", settings)


def choose_key_metric(key_metric: str, manifest: pd.DataFrame, accepted: Sequence[str] = ("ncc", "agreement", "accuracy")) -> str:
    """Return the figure of the validation that decides on the best network.

    Args:
        key_metric: the figure, or `AUTO` for ncc where the validation split has lesion masks or disease maps, else agreement.
        manifest: table of the cohort.
        accepted: figures that the validation measures.

    Raises:
        ValueError: When it is none of these, or NCC where no validation scan has a lesion mask or disease map.
    """
    rows = manifest[manifest["split"] == "validation"]
    known = any(rows[name].notna().any() for name in ("mask", "disease_map") if name in rows)
    if key_metric == AUTO:
        key_metric = "ncc" if known else "agreement"
    if key_metric not in accepted:
        raise ValueError(f"key_metric must be one of {', '.join([AUTO, *accepted])}, got {key_metric!r}")
    if key_metric.startswith("ncc") and len(rows) and not known:
        raise ValueError(
            f"the validation split has no lesion masks and no disease maps for key_metric {key_metric}: use agreement or {AUTO}"
        )
    return key_metric
