"""Recorded iterations have the numbers of iterations that are computed one operation at a time.

The processor records operations as a GPU does kernels: they are computed again in the same memory, and nothing else happens.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from bundle import CONFIGS
from bundle.training import ICAMTrainer, check_cuda_graphs
from bundle.training.augmentation import move_batch
from bundle.training.graphs import WARM_UP, Recorded
from bundle.training.translation import pair_classes

SMALL = {
    "classifier_epochs": 0, "warmup_epochs": 0, "max_epochs": 1, "batch_size": 4, "device": "cpu",
    "attribute_encoder#channels": 4, "generator_schedule": None, "discriminator_schedule": None, "train#own_handlers": [],
    "train#trainer#prepare_batch": move_batch,
}  # fmt: skip
OVERLAYS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "slices": ([], {"image_size": [32, 32]}),
    "volumes": (["volumes"], {"image_size": [16, 32, 16]}),
    "the paper's": (["paper_network", "paper_objective"], {"image_size": [32, 32]}),
    "regression": ([], {"image_size": [32, 32], "regression": True}),
    "three classes": ([], {"image_size": [32, 32], "num_classes": 3, "batch_size": 6}),
}
ITERATIONS = WARM_UP + 3


class Operations(TorchDispatchMode):
    """Operations of a function in the order of their computation, with the memory of their results."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable, tuple, dict, Any]] = []
        self.before: list[tuple[torch.Tensor, torch.Tensor]] = []  # what is changed in place, and its first value

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Compute an operation and keep it."""
        assert function is not torch.ops.aten._local_scalar_dense.default, "a value is read, for which a GPU would have to finish"
        kwargs = kwargs or {}
        memory = tree_map_only(torch.Tensor, lambda tensor: tensor.data, (args, kwargs))  # without what autograd notes of it
        if function._schema.is_mutable:
            self.before += [(each, each.clone()) for each in tree_leaves(memory) if isinstance(each, torch.Tensor)]
        results = function(*args, **kwargs)
        self.calls.append((function, *memory, tree_map_only(torch.Tensor, lambda tensor: tensor.data, results)))
        return results

    def undo(self) -> None:
        """Undo changes in place, the latest first."""
        for tensor, value in reversed(self.before):
            tensor.copy_(value)

    def compute(self) -> None:
        """Compute all operations again, in the same memory."""
        for function, args, kwargs, results in self.calls:
            for old, new in zip(tree_leaves(results), tree_leaves(function(*args, **kwargs)), strict=True):
                if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class RecordedOperations:
    """Records as `CudaGraphs` does, on the processor: a recording computes nothing."""

    def __init__(self) -> None:
        self.count = 0

    def warm_up(self, function: Callable[[], Any]) -> Any:
        """Call a function."""
        return function()

    def record(self, function: Callable[[], Any]) -> tuple[Any, Callable[[], None]]:
        """Return results of a function and what computes them."""
        self.count += 1
        state, operations = torch.get_rng_state(), Operations()
        with operations:
            results = function()
        operations.undo()
        torch.set_rng_state(state)
        return results, operations.compute


def make_trainer(overlays: list[str], changes: dict[str, Any], recorder: RecordedOperations | None) -> ICAMTrainer:
    """Build the trainer of a config for random scans."""
    parser = ConfigParser()
    parser.read_config([str(CONFIGS / f"{name}.yaml") for name in ("train", *overlays)])
    parser.update({**SMALL, **changes})
    size, classes, count = parser["image_size"], parser["num_classes"], parser["batch_size"] * ITERATIONS
    random = torch.Generator().manual_seed(1)
    items = [
        {"image": torch.rand(1, *size, generator=random) * 2 - 1, "label": index * classes // count, "value": 0.1 * index - 1}
        for index in range(count)
    ]
    labels = [item["label"] for item in items]
    parser.update({"train#dataset": items, "train#dataloader#batch_sampler#labels": labels, "epoch_length": ITERATIONS})
    parser.update({"train#trainer#make_recorder": None if recorder is None else lambda: recorder})
    torch.manual_seed(0)
    return parser.get_parsed_content("train#trainer")


def run(trainer: ICAMTrainer) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    """Train for an epoch, and return the losses of each iteration and the state of the network."""
    losses: list[dict[str, float]] = []
    torch.manual_seed(3)
    trainer.add_event_handler(
        "ITERATION_COMPLETED",
        lambda engine: losses.append({name: float(value) for name, value in engine.state.output[0]["losses"].items()}),
    )
    trainer.run()
    return losses, trainer.network.state_dict()


@pytest.mark.parametrize("name", OVERLAYS)
def test_recorded_iterations_give_the_numbers_of_the_others(name: str) -> None:
    overlays, changes = OVERLAYS[name]
    recorder = RecordedOperations()
    losses, state = run(make_trainer(overlays, changes, None))
    recorded_losses, recorded_state = run(make_trainer(overlays, changes, recorder))
    assert recorder.count == 2 and len(losses) == ITERATIONS
    assert recorded_losses == losses
    assert all(torch.equal(recorded_state[key], value) for key, value in state.items())
    assert len({tuple(row.values()) for row in losses}) == ITERATIONS


class Devices(TorchDispatchMode):
    """Refuses operations that take or give tensors of the processor, numbers apart."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Compute an operation."""
        results = function(*args, **(kwargs or {}))
        tensors = [each for each in tree_leaves((args, kwargs, results)) if isinstance(each, torch.Tensor)]
        assert all(tensor.device.type == "meta" or not tensor.ndim for tensor in tensors), function
        return results


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_iteration_moves_nothing_between_processor_and_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(*OVERLAYS[name], None)
    trainer.state.epoch = 1
    trainer.start_epoch()
    batch = next(iter(trainer.data_loader))
    partner = pair_classes(batch["label"])
    image, labels, values, partner = (each.to("meta") for each in (batch["image"], batch["label"], batch["value"], partner))
    for module in (trainer.network, trainer.discriminators.module, trainer.mean_change):
        if module is not None:
            module.to("meta")  # a device without numbers: nobody can wait for them
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which it does not have
    with Devices():
        begun = trainer._begin(image, labels, partner, values)
        assert trainer._finish(begun)["loss"].device.type == "meta"
        if begun.shown.encoded is not None:
            trainer.network.erasure.update(begun.shown.encoded, begun.shown.mean)


def test_a_new_phase_is_recorded_anew() -> None:
    changes = {"image_size": [32, 32], "warmup_epochs": 1, "max_epochs": 2}
    recorder = RecordedOperations()
    run(make_trainer([], changes, recorder))
    assert recorder.count == 4


def test_results_are_the_same_tensors_with_new_numbers() -> None:
    double = Recorded(lambda values: values * 2, RecordedOperations())
    results = [double(torch.full((3,), float(number))) for number in range(WARM_UP + 2)]
    assert [result[0].item() for result in results[:WARM_UP]] == [2.0 * number for number in range(WARM_UP)]
    assert results[-1] is results[-2] and torch.equal(results[-1], torch.full((3,), 2.0 * (WARM_UP + 1)))


@pytest.mark.parametrize("other", [torch.zeros(2), torch.zeros(1), None])
def test_a_batch_of_another_size_is_refused(other: torch.Tensor | None) -> None:
    function = Recorded(lambda values: values * 2, RecordedOperations())
    for _ in range(WARM_UP + 1):
        function(torch.zeros(3))
    with pytest.raises(ValueError, match="batches of one size"):
        function(other)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"device": "cpu"}, "device cpu, which is no GPU"),
        ({"activation_checkpointing": True}, "activation_checkpointing"),
    ],
)
def test_what_cannot_be_recorded_is_refused(changes: dict[str, Any], reason: str) -> None:
    settings = {"device": "cuda:0", "activation_checkpointing": False}
    check_cuda_graphs(**settings)
    with pytest.raises(ValueError, match=f"cuda_graphs does not go with {reason}; give cuda_graphs False"):
        check_cuda_graphs(**settings | changes)
