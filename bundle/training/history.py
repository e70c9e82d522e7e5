"""The losses of a training run: their reading from the device, a table with a row an epoch, and a progress bar."""

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
import torch
from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar
from torch import Tensor

from bundle.files import write_atomically
from bundle.ranks import average
from bundle.training.checkpoints import BestModel
from bundle.training.phases import name_phase
from bundle.training.trainer import LOSSES


class Readings:
    """Read the losses from the device once every few iterations, and at the end of an epoch; stop when one is not finite.

    A reading waits for the device, which has to finish everything before it. Attach it before what uses the losses.

    Args:
        interval: iterations between readings.

    Attributes:
        values: every loss of this epoch that has been read, by name.
        latest: the losses of the newest iteration that has been read.

    Raises:
        ValueError: When the interval is below 1.
    """

    def __init__(self, interval: int = 1) -> None:
        if interval < 1:
            raise ValueError(f"read_interval must be at least 1 iteration, got {interval}")
        self.interval = interval
        self.values: dict[str, list[float]] = defaultdict(list)
        self.latest: dict[str, float] = {}
        self._unread: list[dict[str, Tensor]] = []

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add)
        engine.add_event_handler(Events.ITERATION_COMPLETED(event_filter=self.is_due), self.read)

    def is_due(self, engine: Engine, iteration: int) -> bool:
        """Return whether an iteration, counted from 1 over all epochs, is followed by a reading; the last of an epoch is."""
        return iteration % self.interval == 0 or iteration % engine.state.epoch_length == 0

    def start(self, engine: Engine) -> None:
        """Clear the losses of the last epoch."""
        self.values.clear()
        self._unread.clear()

    def add(self, engine: Engine) -> None:
        """Note the losses of an iteration."""
        self._unread.append(engine.state.output[0][LOSSES])

    def read(self, engine: Engine) -> None:
        """Read what is noted, in one transfer.

        Raises:
            ValueError: When a loss is not finite.
        """
        values = torch.stack([value.float() for losses in self._unread for value in losses.values()])
        numbers = iter(average(values).tolist())  # of the whole batch, where processes share one
        for losses in self._unread:
            self.latest = {name: next(numbers) for name in losses}
            for name, value in self.latest.items():
                if not math.isfinite(value):
                    raise ValueError(
                        f"the loss term {name} is {value}: lower the learning rate, or clip gradients with clip_norm"
                    )
                self.values[name].append(value)
        self._unread.clear()


class History:
    """Write the mean of every loss, over the iterations that have it, and the validation's figures of each epoch to a CSV file.

    Columns: epoch, phase, chosen (1 for the epoch whose network is kept so far, else 0), iteration, seconds (of this epoch), the
    losses, and the validation's metrics with the prefix `val_`. Attach it after the validation and the choice of the best
    network. A resumed run keeps the rows of the epochs that it does not repeat.

    Args:
        path: file to write.
        readings: the losses; attached before.
        validator: engine whose metrics are added; None for none.
        best_model: what keeps the best network; None for none.
    """

    def __init__(
        self, path: str | Path, readings: Readings, validator: Engine | None = None, best_model: BestModel | None = None
    ) -> None:
        self.path, self.readings = Path(path), readings
        self.validator, self.best_model = validator, best_model
        self.started = time.monotonic()

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.write)

    def start(self, engine: Engine) -> None:
        """Note the time."""
        self.started = time.monotonic()

    def write(self, engine: Engine) -> None:
        """Add the row of this epoch to the file."""
        epoch, seconds = engine.state.epoch, round(time.monotonic() - self.started, 1)
        metrics = {} if self.validator is None else self.validator.state.metrics
        means = {name: fmean(values) for name, values in self.readings.values.items()}
        row: dict[str, Any] = {"epoch": epoch, "phase": name_phase(engine), "chosen": 0}
        row |= {"iteration": engine.state.iteration, "seconds": seconds, **means}
        row |= {f"val_{name}": float(value) for name, value in metrics.items()}
        table = pd.DataFrame([row])
        if self.path.is_file() and epoch > 1:
            earlier = pd.read_csv(self.path)
            table = pd.concat([earlier[earlier["epoch"] < epoch], table])
        chosen = None if self.best_model is None else self.best_model.epoch
        table = table.assign(chosen=(table["epoch"] == chosen).astype(int))
        with write_atomically(self.path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")


class LossBar(ProgressBar):
    """A progress bar that shows the phase and some of the losses.

    Args:
        names: losses to show, where an iteration has them.
        readings: the losses; attached before.
        **kwargs: further arguments of `ignite.handlers.ProgressBar`.
    """

    def __init__(self, names: Sequence[str], readings: Readings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names, self.readings = names, readings

    def attach(self, engine: Engine, *args: Any, **kwargs: Any) -> None:
        """Register with a trainer."""

        def select(output: list[dict[str, Any]]) -> dict[str, Any]:
            losses, phase = self.readings.latest, name_phase(engine)
            return ({"phase": phase} if phase else {}) | {name: losses[name] for name in self.names if name in losses}

        super().attach(engine, *args, output_transform=select, **kwargs)
