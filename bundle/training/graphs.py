"""CUDA graphs: kernels of a training iteration that are recorded once, and then started together."""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from bundle.ranks import count_ranks

Result = TypeVar("Result")

WARM_UP = 3  # calls before a recording, in which libraries choose their algorithms and reserve memory


def check_cuda_graphs(device: torch.device | str, activation_checkpointing: bool) -> None:
    """Refuse what waits for the device in an iteration, or computes on others, before the scans are read.

    Args:
        device: where to train.
        activation_checkpointing: whether activations are computed again for the gradient.

    Raises:
        ValueError: When an iteration cannot be recorded.
    """
    reasons = {
        f"device {device}, which is no GPU": torch.device(device).type != "cuda",
        "activation_checkpointing": activation_checkpointing,
        "several processes": count_ranks() > 1,
    }
    for reason in (reason for reason, holds in reasons.items() if holds):
        raise ValueError(f"cuda_graphs does not go with {reason}; give cuda_graphs False")


class Recorder(Protocol):
    """Records what a function computes."""

    def warm_up(self, function: Callable[[], Result]) -> Result:
        """Call a function as before a recording."""

    def record(self, function: Callable[[], Result]) -> tuple[Result, Callable[[], object]]:
        """Return the results of a function, not yet computed, and what computes them, each time in the same memory."""


class CudaGraphs:
    """Records kernels on one GPU, on a stream and in memory of their own. Each phase of a training has others.

    Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs

    Args:
        device: the GPU.
    """

    def __init__(self, device: torch.device | str) -> None:
        self.device = torch.device(device)
        self.stream, self.pool = torch.cuda.Stream(self.device), torch.cuda.graph_pool_handle()

    def warm_up(self, function: Callable[[], Result]) -> Result:
        """Call a function on the stream of the recordings.

        Args:
            function: what is called.
        """
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = function()
        current.wait_stream(self.stream)
        return result

    def record(self, function: Callable[[], Result]) -> tuple[Result, Callable[[], object]]:
        """Record a function.

        Args:
            function: computes on the GPU alone and waits for nothing.

        Returns:
            Its results, in memory that each start fills anew, and what starts the kernels.

        Raises:
            ValueError: When it cannot be recorded.
        """
        graph = torch.cuda.CUDAGraph()
        try:  # thread_local: the thread that pins batches goes on
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"):
                results = function()
        except RuntimeError as error:
            reason = str(error.__context__ or error).splitlines()[0]  # the end of a failed recording fails too
            raise ValueError(
                f"the iteration cannot be recorded as a CUDA graph ({reason}): give cuda_graphs False; the training goes on"
                " from its last epoch"
            ) from error
        return results, graph.replay


class Recorded(Generic[Result]):
    """A function that is called three times as it is, then recorded, and from then on only computed again.

    Its results are then the same tensors each time, with new numbers.

    Args:
        function: what is recorded. It computes on one device; what it does besides happens at the first calls alone.
        recorder: records it.
    """

    def __init__(self, function: Callable[..., Result], recorder: Recorder) -> None:
        self.function, self.recorder = function, recorder
        self._calls = 0
        self._inputs: tuple[Any, ...] = ()
        self._recording: tuple[Result, Callable[[], object]] | None = None

    def __call__(self, *inputs: Any) -> Result:
        """Return the function's results.

        Args:
            inputs: tensors, of the same shape each time; anything else is the same object each time.

        Raises:
            ValueError: When they are not.
        """
        self._calls += 1
        if self._calls <= WARM_UP:
            return self.recorder.warm_up(lambda: self.function(*inputs))
        if self._recording is None:
            self._inputs = tuple(each.clone() if isinstance(each, Tensor) else each for each in inputs)
            self._recording = self.recorder.record(lambda: self.function(*self._inputs))
            inputs = self._inputs  # are not written again, which another function's gradient would refuse
        for kept, given in zip(self._inputs, inputs, strict=True):
            if kept is given:
                continue
            if not (isinstance(kept, Tensor) and isinstance(given, Tensor) and kept.shape == given.shape):
                raise ValueError("a recorded iteration takes batches of one size: give cuda_graphs False")
            kept.copy_(given)
        results, compute = self._recording
        compute()
        return results
