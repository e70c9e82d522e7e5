"""Processes of one run, as torchrun starts them: which one this is, and what they do together.

A process that was started alone is the first of one, and all functions do for it what it would do without them.
"""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")


def get_rank() -> int:
    """Return the number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def count_ranks() -> int:
    """Return the number of processes of the run."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_first() -> bool:
    """Return whether this is the process that writes files and lines."""
    return get_rank() == 0


def choose_device() -> torch.device:
    """Return the GPU of this process, by its number among those of its machine; the processor where there is no GPU.

    Raises:
        ValueError: When the machine has fewer GPUs than processes, or `LOCAL_RANK` is no number.
    """
    number, count = _read_number("LOCAL_RANK", "0"), torch.cuda.device_count()
    if not count:
        return torch.device("cpu")
    if number >= count:
        raise ValueError(f"--nproc_per_node must be at most {count}, the GPUs of this machine: process {number} has none")
    return torch.device("cuda", number)


def join_ranks(timeout: float) -> int:
    """Bring the processes of a run together, as torchrun's environment names them; only the first writes lines from here on.

    Args:
        timeout: hours that a process waits for the others.

    Returns:
        The number of this process, from 0.

    Raises:
        OSError: When the processes do not come together.
        ValueError: When the machine has fewer GPUs than processes, or the environment is not as torchrun makes it.
    """
    if not isinstance(timeout, int | float) or not timeout > 0:
        raise ValueError(f"rank#timeout must be above 0 hours, got {timeout}")
    if "WORLD_SIZE" in os.environ and not distributed.is_initialized():
        _check_environment()
        device, backend = choose_device(), "gloo"
        if device.type == "cuda":
            torch.cuda.set_device(device)
            backend = "cpu:gloo,cuda:nccl"
        hook = sys.excepthook  # of the guard; PyTorch puts its own in place
        try:
            distributed.init_process_group(backend, timeout=timedelta(hours=timeout))
        except (RuntimeError, ValueError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise OSError(f"the processes of the run do not come together ({reason}): start all of them by torchrun") from error
        finally:
            sys.excepthook = hook
    if not is_first():
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 until the process ends; errors go to sys.__stderr__
        logging.disable(logging.CRITICAL)
    return get_rank()


def _check_environment() -> None:
    """Refuse variables of torchrun that are set by hand, and wrongly: a `ValueError`."""
    rank, count = _read_number("RANK"), _read_number("WORLD_SIZE")
    if rank >= count:
        raise ValueError(f"RANK must be below WORLD_SIZE, {count}, got {rank}: start the processes by torchrun, which sets both")
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        if not os.environ.get(name):
            raise ValueError(f"{name} is not set: start the processes by torchrun, which sets it, or unset WORLD_SIZE")


def _read_number(name: str, default: str = "") -> int:
    """Return a variable of the environment, which must be a whole number: else a `ValueError`."""
    text = os.environ.get(name, default)
    if not text.isdecimal():
        raise ValueError(
            f"{name} must be a whole number, as torchrun sets it, got {text or 'nothing'}: unset WORLD_SIZE and LOCAL_RANK,"
            " or start the processes by torchrun"
        )
    return int(text)


def leave_ranks() -> None:
    """End what `join_ranks` began."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def wait_for_ranks() -> None:
    """Wait until all processes are here."""
    if count_ranks() > 1:
        distributed.all_reduce(torch.zeros(1))  # on the processor, where waiting is cheap


def run_once(work: Callable[[], Result]) -> Result:
    """Do a piece of work in the first process; all have what it returns.

    Args:
        work: what is done; its result can be pickled.
    """
    if count_ranks() == 1:
        return work()
    results: list[Any] = [work() if is_first() else None]
    distributed.broadcast_object_list(results)
    return results[0]


def gather(value: Result) -> list[Result]:
    """Return the values of all processes, in their order.

    Args:
        value: that of this process; it can be pickled.
    """
    if count_ranks() == 1:
        return [value]
    values: list[Any] = [None] * count_ranks()
    distributed.all_gather_object(values, value)
    return values


def share_work(items: Sequence[Item], compute: Callable[[Item], Result], name: str = "", unit: str = "scan") -> list[Result]:
    """Compute each item in one of the processes, and return all results, in the order of the items, in every process.

    All processes call it with the same items.

    Args:
        items: what is computed from.
        compute: makes a result, which can be pickled, of an item.
        name: what the progress bar says; empty for none.
        unit: what an item is, for the bar.
    """
    count, bar = count_ranks(), {"desc": name, "unit": unit, "disable": not items or not name}
    parts = gather([compute(item) for item in tqdm(items[get_rank() :: count], **bar)])
    return [parts[index % count][index // count] for index in range(len(items))]


@torch.jit.unused  # exported networks do not train
def draw_normal(like: Tensor) -> Tensor:
    """Draw N(0, I) for the rows of all processes, as one process would for a batch of all, and return those of this one.

    So numbers do not depend on how many processes share a batch, and all processes are left with the same random state.
    The rows of the whole batch go round the processes: this one has rows `rank`, `rank + count`, ...

    Args:
        like: a tensor of this process, with as many rows as others have, shape (B, ...).

    Returns:
        Draws of its shape, type and device.
    """
    if count_ranks() == 1:
        return torch.randn_like(like)
    strides = torch.empty_like(like, device="meta").stride()  # draws fill the memory in its order
    shape = (len(like) * count_ranks(), *like.shape[1:])
    return torch.empty_strided(shape, strides, dtype=like.dtype, device=like.device).normal_()[own_rows()]


def own_rows() -> slice:
    """Return which rows of a batch that the processes share are those of this one."""
    return slice(get_rank(), None, count_ranks())


def synchronise(step: nn.Module) -> nn.Module:
    """Return a training step that gives each process the gradients of the whole batch, averaged over all processes.

    Args:
        step: module whose `forward` uses the same weights in every call.
    """
    if count_ranks() == 1:
        return step
    # phases leave weights out, hence static; buffers are the same in all processes already
    return DistributedDataParallel(step, static_graph=True, broadcast_buffers=False)


def average(values: Tensor) -> Tensor:
    """Return the mean over the processes of a tensor that each has, of the same shape."""
    if count_ranks() == 1:
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total / count_ranks()
