"""Training engine of a plain classifier."""

from collections.abc import Mapping
from typing import Any

from monai.engines import SupervisedTrainer
from monai.utils.enums import CommonKeys
from torch import Tensor
from torch.optim.lr_scheduler import LRScheduler

from bundle.training.trainer import LOSSES, finite


class ClassifierTrainer(SupervisedTrainer):
    """MONAI's trainer, whose output is what the handlers of ICAM's training read, and which steps a schedule.

    Args:
        *args: arguments of `monai.engines.SupervisedTrainer`.
        schedule: learning rate of the optimiser, stepped after every iteration.
        **kwargs: further arguments of `monai.engines.SupervisedTrainer`.

    Raises:
        ValueError: When a loss is not finite.
    """

    def __init__(self, *args: Any, schedule: LRScheduler, **kwargs: Any) -> None:
        self.schedule = schedule
        super().__init__(*args, decollate=False, **kwargs)

    def _iteration(self, engine: "ClassifierTrainer", batchdata: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        loss = finite("loss", super()._iteration(engine, batchdata)[CommonKeys.LOSS])
        engine.schedule.step()
        return [{CommonKeys.LOSS: loss, LOSSES: {"loss": loss}}]
