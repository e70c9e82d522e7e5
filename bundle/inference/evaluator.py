"""MONAI's evaluator, for scans of which some may have failed."""

from collections.abc import Callable
from typing import Any

from monai.data import decollate_batch
from monai.engines import SupervisedEvaluator
from monai.engines.utils import IterationEvents
from monai.utils.enums import CommonKeys as Keys

from bundle.inference.datasets import DONE, FAILURE, attempt


class ScanEvaluator(SupervisedEvaluator):
    """Run the inferer on each scan that could be read, alone, and postprocess it: its result does not depend on other scans.

    On a processor this is as quick as batches are, since the draws of one scan are a batch of their own.

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
        for item in items:
            if FAILURE not in item and DONE not in item:
                image = item[Keys.IMAGE].as_tensor().unsqueeze(0).to(engine.state.device)
                with engine.mode(engine.network):
                    item[Keys.PRED] = decollate_batch(engine.inferer(image, engine.network))[0]
        engine.state.output = items
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return engine.state.output

    def _register_postprocessing(self, posttrans: Callable[[Any], Any]) -> None:
        @self.on(IterationEvents.MODEL_COMPLETED)
        def _run_postprocessing(engine: SupervisedEvaluator) -> None:
            engine.state.output = [attempt(posttrans, item) for item in engine.state.output]
