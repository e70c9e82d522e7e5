"""Files of a training run: its whole state, to resume it, and its best network."""

import hashlib
import logging
import math
import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from torch import nn

from bundle.files import load_tensors, save_tensors
from bundle.records import check_settings, compute_fingerprint

REPLACED = {"dataset_dir": "images"}  # settings of earlier versions, and those in their place: an old state has neither checked
BLOCK = 4096  # bytes

logger = logging.getLogger(__name__)


class RunState:
    """Save the whole state of a run after every epoch, and load it at the start.

    A run that was killed goes on from its last complete epoch, random state included, and gives the same numbers as without the
    interruption. Attach it after the validation, whose changes are then saved too.

    Args:
        path: file of the state.
        objects: networks, optimisers, schedules and handlers with a state, by name.
        settings: what decides the result; a state with other settings is refused.
        resume: whether a state at `path` is loaded; if not, it is replaced.
    """

    def __init__(self, path: str | Path, objects: Mapping[str, Any], settings: Mapping[str, Any], resume: bool = True) -> None:
        self.path, self.objects, self.resume = Path(path), dict(objects), resume
        self.settings = {name: str(value) for name, value in settings.items()}

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def save(self, engine: Engine) -> None:
        """Save the state of `engine` and of all objects."""
        state = {name: thing.state_dict() for name, thing in self.objects.items()}
        state |= {"engine": {"epoch": engine.state.epoch, "iteration": engine.state.iteration}}
        state |= {"settings": self.settings, "random": _random_state()}
        save_tensors(self.path, state)

    def load(self, engine: Engine) -> None:
        """Load the state at `path`, if there is one.

        Raises:
            ValueError: When it belongs to a run with other settings.
        """
        if not (self.resume and self.path.is_file()):
            return
        state = load_tensors(self.path, engine.state.device, "remove it, or give --resume False to replace it")
        gone = {name for old, new in REPLACED.items() if old in state["settings"] for name in (old, new)}
        found, wanted = ({k: v for k, v in side.items() if k not in gone} for side in (state["settings"], self.settings))
        check_settings(self.path, found, wanted)
        for name, thing in self.objects.items():
            thing.load_state_dict(state[name])
        engine.state.epoch, engine.state.iteration = state["engine"]["epoch"], state["engine"]["iteration"]
        _restore_random_state(state["random"])
        logger.info("Resuming %s after epoch %d of %d", self.path, engine.state.epoch, engine.state.max_epochs)


class BestModel:
    """Save a network whenever the key metric of its validation is the best so far, and stop when it has not been for long.

    Attach it to the trainer, after the validation. MONAI's CheckpointSaver and EarlyStopHandler do the same in two handlers, but
    keep the best score in two places, and over a resumption only inside the saved network's file.

    Args:
        path: file of the network, a dictionary with the key `model`.
        network: network to save.
        validator: engine with the key metric; larger is better.
        interval: epochs between validations.
        patience: validations without a new best after which training stops.
    """

    def __init__(self, path: str | Path, network: nn.Module, validator: Evaluator, interval: int, patience: int) -> None:
        self.path, self.network, self.validator = Path(path), network, validator
        self.interval, self.patience = interval, patience
        self.best, self.since = float("-inf"), 0  # best score, and validations since

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self)

    def __call__(self, engine: Engine) -> None:
        """Save the network if the key metric is a new best.

        Raises:
            ValueError: When the validation has no such figure.
        """
        name = self.validator.state.key_metric_name
        score = float(self.validator.state.metrics[name])
        if math.isnan(score):
            raise ValueError(f"the validation split gives no {name}: set key_metric to one that it gives, such as accuracy")
        self.since += 1
        if score > self.best:
            self.best, self.since = score, 0
            save_tensors(self.path, {"model": self.network.state_dict()})
        if self.since >= self.patience:
            logger.warning("Stopping after epoch %d: no better %s for %d validations", engine.state.epoch, name, self.since)
            engine.terminate()

    def state_dict(self) -> dict[str, float]:
        """Return the best score so far and the number of validations since."""
        return {"best": self.best, "since": self.since}

    def load_state_dict(self, state_dict: Mapping[str, float]) -> None:
        """Restore the best score and the number of validations since."""
        self.best, self.since = state_dict["best"], int(state_dict["since"])


def fingerprint_images(manifest: pd.DataFrame) -> str:
    """Return a hash of the images of training and validation, and of whose they are, but not of where they lie.

    Of an image its size counts, and its first, middle and last bytes, the checksum of compressed files among them: reading all
    of a cohort takes long.

    Args:
        manifest: table from `read_manifest`.

    Returns:
        The first 16 digits of a SHA-256, whatever the order of the rows.
    """
    used = manifest[manifest["split"].isin(["train", "validation"])]
    columns = [name for name in ("participant_id", "session_id") if name in used]
    rows = sorted(repr([*(str(row[name]) for name in columns), _sample_bytes(row["image"])]) for row in used.to_dict("records"))
    return compute_fingerprint(rows)


def _sample_bytes(path: str) -> str:
    """Return a hash of the size of a file and of three blocks of it."""
    with Path(path).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        digest = hashlib.sha256(str(size).encode())
        for start in (0, (size - BLOCK) // 2, size - BLOCK):
            file.seek(max(start, 0))
            digest.update(file.read(BLOCK))
    return digest.hexdigest()


def _random_state() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state(legacy=True)
    version, numbers, gauss = random.getstate()
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [name, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def _restore_random_state(state: Mapping[str, Any]) -> None:
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(state["torch"].cpu())
    torch.cuda.set_rng_state_all([each.cpu() for each in state["cuda"]])
