"""The losses of a training run: a table with a row an epoch, and a progress bar."""

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
from ignite.engine import Engine, Events
from ignite.handlers import ProgressBar

from bundle.files import write_atomically
from bundle.training.checkpoints import BestModel
from bundle.training.phases import name_phase
from bundle.training.trainer import LOSSES


class History:
    """Write the mean of every loss, over the iterations that have it, and the validation's figures of each epoch to a CSV file.

    Columns: epoch, phase, chosen (1 for the epoch whose network is kept so far, else 0), iteration, seconds (of this epoch), the
    losses, and the validation's metrics with the prefix `val_`. Attach it after the validation and the choice of the best
    network. A resumed run keeps the rows of the epochs that it does not repeat.

    Args:
        path: file to write.
        validator: engine whose metrics are added; None for none.
        best_model: what keeps the best network; None for none.
    """

    def __init__(self, path: str | Path, validator: Engine | None = None, best_model: BestModel | None = None) -> None:
        self.path = Path(path)
        self.validator, self.best_model = validator, best_model
        self.values: dict[str, list[float]] = defaultdict(list)
        self.started = time.monotonic()

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.add)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.write)

    def start(self, engine: Engine) -> None:
        """Clear the losses of the last epoch."""
        self.values.clear()
        self.started = time.monotonic()

    def add(self, engine: Engine) -> None:
        """Add the losses of an iteration."""
        for name, value in engine.state.output[0][LOSSES].items():
            self.values[name].append(value)

    def write(self, engine: Engine) -> None:
        """Add the row of this epoch to the file."""
        epoch, seconds = engine.state.epoch, round(time.monotonic() - self.started, 1)
        metrics = {} if self.validator is None else self.validator.state.metrics
        means = {name: fmean(values) for name, values in self.values.items()}
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
        **kwargs: further arguments of `ignite.handlers.ProgressBar`.
    """

    def __init__(self, names: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = names

    def attach(self, engine: Engine, *args: Any, **kwargs: Any) -> None:
        """Register with a trainer."""

        def select(output: list[dict[str, Any]]) -> dict[str, Any]:
            losses, phase = output[0][LOSSES], name_phase(engine)
            return ({"phase": phase} if phase else {}) | {name: losses[name] for name in self.names if name in losses}

        super().attach(engine, *args, output_transform=select, **kwargs)
