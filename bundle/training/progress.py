"""The progress bar of a training."""

from collections.abc import Sequence
from typing import Any

from ignite.engine import Engine
from ignite.handlers import ProgressBar

from bundle.training.trainer import LOSSES


class LossBar(ProgressBar):
    """A progress bar that shows some of the losses.

    Args:
        names: losses to show, where an iteration has them.
        **kwargs: further arguments of `ignite.handlers.ProgressBar`.
    """

    def __init__(self, names: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = names

    def attach(self, engine: Engine, *args: Any, **kwargs: Any) -> None:
        """Register with a trainer."""

        def select(output: list[dict[str, Any]]) -> dict[str, float]:
            losses = output[0][LOSSES]
            return {name: losses[name] for name in self.names if name in losses}

        super().attach(engine, *args, output_transform=select, **kwargs)
