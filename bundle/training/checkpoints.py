"""Files of a training run: its whole state, to resume it, and its best network."""

import hashlib
import logging
import math
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ignite.engine import Engine, Events
from monai.engines import Evaluator
from torch import nn

from bundle.checkpoints import SETTINGS, save_network
from bundle.cohorts import Identity
from bundle.data.signatures import SCANS, RecordScansd
from bundle.files import load_tensors, save_tensors
from bundle.ranks import is_first
from bundle.records import check_settings, compute_fingerprint
from bundle.training.phases import has_whole_objective, name_phase

REPLACED = {"dataset_dir": "images"}  # settings of earlier versions, and those in their place: an old state has neither checked
# settings that are absent in states of earlier versions; the text of their value then, None where it is not known
ADDED = {"store_dtype": "float32", "class_names": None, "scans_per_class": "None", "mean_change": "None"}
BLOCK = 4096  # bytes

logger = logging.getLogger(__name__)


class Provenance:
    """What the file of a network says of its training: cohort, classes, settings and signatures of the scans.

    Args:
        identity: the cohort.
        record: noted the training scans while they were read.
        scan_settings: keys of the config that decide how the network sees a scan, and their values.
    """

    def __init__(self, identity: Identity, record: RecordScansd, scan_settings: Mapping[str, Any]) -> None:
        self.identity, self.record, self.scan_settings = identity, record, dict(scan_settings)

    def __call__(self) -> dict[str, Any]:
        """Return it as tensors and plain values."""
        name, fingerprint, class_names = self.identity
        about = {"cohort": name, "fingerprint": fingerprint, "class_names": class_names}
        return about | {SETTINGS: self.scan_settings, SCANS: self.record.list_signatures()}


class RunState:
    """Save the whole state of a run after every epoch, and load it at the start.

    A run that was killed goes on from its last complete epoch, random state included, and gives the same numbers as without the
    interruption. Attach it after the validation, whose changes are then saved too.

    Args:
        path: file of the state.
        objects: networks, optimisers, schedules and handlers with a state, by name; what is None is left out.
        settings: what decides the result; a state with other settings is refused.
        resume: whether a state at `path` is loaded; if not, it is replaced.
    """

    def __init__(self, path: str | Path, objects: Mapping[str, Any], settings: Mapping[str, Any], resume: bool = True) -> None:
        self.path, self.resume = Path(path), resume
        self.objects = {name: thing for name, thing in objects.items() if thing is not None}
        self.settings = {name: str(value) for name, value in settings.items()}

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.STARTED, self.load)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)

    def save(self, engine: Engine) -> None:
        """Save the state of `engine` and of all objects; of the processes of a run, whose states are the same, the first does."""
        if not is_first():
            return
        state = {name: thing.state_dict() for name, thing in self.objects.items()}
        state |= {"engine": {"epoch": engine.state.epoch, "iteration": engine.state.iteration}}
        state |= {"settings": self.settings, "random": _random_state(engine.state.device)}
        save_tensors(self.path, state)

    def load(self, engine: Engine) -> None:
        """Load the state at `path`, if there is one.

        Raises:
            ValueError: When it belongs to a run with other settings.
        """
        state = read_state(self.path, self.settings, engine.state.device) if self.resume else None
        if state is None:
            return
        for name, thing in self.objects.items():
            thing.load_state_dict(state[name])
        engine.state.epoch, engine.state.iteration = state["engine"]["epoch"], state["engine"]["iteration"]
        _restore_random_state(state["random"], engine.state.device)
        logger.info("Resuming %s after epoch %d of %d", self.path, engine.state.epoch, engine.state.max_epochs)


def read_state(path: str | Path, settings: Mapping[str, Any], device: torch.device | str = "cpu") -> dict[str, Any] | None:
    """Read the state of a run, or look before the scans are read whether it can be gone on with.

    Args:
        path: file of the state.
        settings: what decides the result.
        device: where its tensors go.

    Returns:
        The state; None where there is none.

    Raises:
        ValueError: When it belongs to a run with other settings, or is damaged.
    """
    if not Path(path).is_file():
        return None
    state: dict[str, Any] = load_tensors(path, device, "remove it, or give --resume False to replace it")
    settings = {name: str(value) for name, value in settings.items()}
    added = {name: settings[name] if ADDED[name] is None else ADDED[name] for name in ADDED if name in settings}
    state["settings"] = {**added, **state["settings"]}
    gone = {name for old, new in REPLACED.items() if old in state["settings"] for name in (old, new)}
    found, wanted = ({k: v for k, v in side.items() if k not in gone} for side in (state["settings"], settings))
    check_settings(path, found, wanted)
    return state


class BestModel:
    """Save a network whenever the key metric of its validation is the best so far, and stop when it has not been for long.

    Only epochs of the whole objective compete: before, the network cannot translate. Of equal ones the latest is kept. A run that
    starts anew removes the file of an earlier one, so that what is there is of this run.

    Attach it to the trainer, after the validation. MONAI's CheckpointSaver and EarlyStopHandler do the same in two handlers, but
    keep the best score in two places, and over a resumption only inside the saved network's file.

    Args:
        path: file of the network, see `bundle.checkpoints.save_network`.
        network: network to save.
        validator: engine with the key metric; larger is better.
        interval: epochs between validations.
        patience: validations without a new best after which training stops.
        about: what is kept beside the weights; None for nothing but the epoch.

    Attributes:
        best: best score so far.
        since: validations since.
        epoch: epoch whose network is kept; None before there is one.
    """

    def __init__(
        self,
        path: str | Path,
        network: nn.Module,
        validator: Evaluator,
        interval: int,
        patience: int,
        about: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        self.path, self.network, self.validator = Path(path), network, validator
        self.interval, self.patience, self.about = interval, patience, about
        self.best, self.since = float("-inf"), 0
        self.epoch: int | None = None

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self)

    def start(self, engine: Engine) -> None:
        """Remove the network of an earlier run while this one has none."""
        if self.epoch is None and is_first():
            self.path.unlink(missing_ok=True)

    def __call__(self, engine: Engine) -> None:
        """Save the network if the key metric is a new best, or as good, in an epoch of the whole objective.

        Raises:
            ValueError: When the validation has no such figure.
        """
        if not has_whole_objective(engine):
            return
        name = self.validator.state.key_metric_name
        score = float(self.validator.state.metrics[name])
        if math.isnan(score):
            raise ValueError(f"the validation split gives no {name}: set key_metric to one that it gives, such as accuracy")
        self.since += 1
        if score >= self.best:
            self.best, self.since, self.epoch = score, 0, engine.state.epoch
            epoch = {"epoch": self.epoch, "phase": name_phase(engine), "key_metric": name, "score": score}
            if is_first():
                save_network(self.path, self.network, {**(self.about() if self.about else {}), **epoch})
            logger.info("Epoch %d is kept in %s: %s %.4g is the best so far", self.epoch, self.path, name, score)
        if self.since >= self.patience:
            logger.warning("Stopping after epoch %d: no better %s for %d validations", engine.state.epoch, name, self.since)
            engine.terminate()

    def state_dict(self) -> dict[str, Any]:
        """Return the best score so far, the number of validations since, and the epoch."""
        return {"best": self.best, "since": self.since, "epoch": self.epoch}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore them; a state without the epoch, of an earlier version, may have any phase's: it counts as none."""
        if "epoch" in state_dict:
            self.best, self.since, self.epoch = state_dict["best"], int(state_dict["since"]), state_dict["epoch"]


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


def _random_state(device: torch.device) -> dict[str, Any]:
    name, keys, *rest = np.random.get_state(legacy=True)
    version, numbers, gauss = random.getstate()
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [name, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state(device)] if device.type == "cuda" else [],
    }


def _restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(state["torch"].cpu())
    if device.type == "cuda" and state["cuda"]:  # of the device; an earlier version kept all of them, of which the first was it
        torch.cuda.set_rng_state(state["cuda"][0].cpu(), device)
