"""MONAI's evaluator, for batches in which a scan may have failed."""

from collections.abc import Callable
from typing import Any

import torch
from monai.data import decollate_batch
from monai.engines import SupervisedEvaluator
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys as Keys

from bundle.inference.datasets import FAILURE, attempt


class ScanEvaluator(SupervisedEvaluator):
    """Run the inferer on the scans of a batch that could be read, and postprocess each for itself.

    The data loader gives lists of items (`collate_fn=list`), because scans have grids of their own; so is the output.

    Args:
        settings: arguments of MONAI's `SupervisedEvaluator`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, decollate=False)

    def _iteration(  # type: ignore[override]  # lists of items instead of a dictionary of batches
        self, engine: SupervisedEvaluator, batchdata: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        items = [dict(item) for item in batchdata]
        if sound := [item for item in items if FAILURE not in item]:
            image = torch.stack([item[Keys.IMAGE].as_tensor() for item in sound]).to(engine.state.device)
            with engine.mode(engine.network):
                answers = decollate_batch(engine.inferer(image, engine.network))
            for item, answer in zip(sound, answers, strict=True):
                item[Keys.PRED] = answer
        engine.state.output = items
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return engine.state.output

    def _register_postprocessing(self, posttrans: Callable[[Any], Any]) -> None:
        @self.on(IterationEvents.MODEL_COMPLETED)
        def _run_postprocessing(engine: SupervisedEvaluator) -> None:
            engine.state.output = [attempt(posttrans, item) for item in engine.state.output]
