"""The convolutions of a computation, and the time that they alone take."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

KERNELS = (torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default)


class Layout(NamedTuple):
    """Shape and strides of a tensor."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def make(self) -> Tensor:
        """Return a tensor of random numbers."""
        return torch.empty_strided(self.shape, self.strides).normal_()


class Recorder(TorchDispatchMode):
    """Count the convolutions that run while it is active, forward and backward, by shapes, strides and settings."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[tuple[Any, tuple]] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        """Run a kernel, and note it when it is a convolution."""
        if function in KERNELS:
            self.calls[function, tuple(_describe(value) for value in args)] += 1
        return function(*args, **(kwargs or {}))


def record_convolutions(step: Callable[[], Any]) -> Callable[[], None]:
    """Return a function that runs the convolutions of a computation again, on random numbers, and nothing else.

    Args:
        step: the computation, with its backward pass.
    """
    with Recorder() as recorder:
        step()
    calls = [(function, [_rebuild(value) for value in args], count) for (function, args), count in recorder.calls.items()]

    def replay() -> None:
        """Run them."""
        with torch.no_grad():
            for function, args, count in calls:
                for _ in range(count):
                    function(*args)

    return replay


def _describe(value: Any) -> Any:
    if isinstance(value, Tensor):
        return Layout(tuple(value.shape), value.stride())
    return tuple(value) if isinstance(value, list) else value


def _rebuild(value: Any) -> Any:
    if isinstance(value, Layout):
        return value.make()
    return list(value) if isinstance(value, tuple) else value
