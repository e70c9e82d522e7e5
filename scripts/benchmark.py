"""Time and memory of training and maps, on synthetic scans; no cohort is needed.

Usage: PYTHONPATH=. python scripts/benchmark.py variants [CONFIG ...]   one training iteration with different parts, side by side
       PYTHONPATH=. python scripts/benchmark.py volumes [CONFIG ...]    an iteration and the maps of one scan on three grids

`variants` prints the median and the fastest iteration of interleaved rounds, and the number of parameters. `volumes` prints
seconds and the largest memory of a process of its own, less what an idle one takes. CONFIG is configs/train.yaml with overlays.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.data import Dataset

from bundle.attribution import EncodedScans, PriorSource, sampled_maps
from bundle.networks import Generator
from bundle.training import ICAMTrainer

ROUNDS = 5
DEFAULT = {"variants": ["configs/train.yaml"], "volumes": ["configs/train.yaml", "configs/volumes.yaml"]}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "without channels_last": {"network": "$@network_def.to(@device)"},
    "bfloat16 autocast": {"amp": True},
    "paper's generator": {
        "generator": {
            "_target_": f"{Generator.__module__}.{Generator.__name__}",
            "spatial_dims": "@spatial_dims",
            "content_channels": "$@content_encoder.out_channels",
        }
    },
    "base width 16": {"content_encoder#channels": 16},
}


SIZES = [(64, 80, 64), (96, 112, 96), (128, 160, 128)]  # voxels
TASKS = ("idle", "training", "training, checkpointing", "maps of 50 samples")
MEBIBYTE = 2**20


def make_parser(configs: Sequence[str], changes: dict[str, Any]) -> ConfigParser:
    """Read configs that train on synthetic scans, two batches long, without warm-up.

    Args:
        configs: config files.
        changes: keys to change.
    """
    parser = ConfigParser()
    parser.read_config(list(configs))
    parser.update({"classifier_epochs": 0, "warmup_epochs": 0, "epoch_length": 2, **changes})
    size, count = parser["image_size"], parser["batch_size"]
    labels = [index * 2 // count for index in range(count)]
    items = [{"image": torch.rand(1, *size) * 2 - 1, "label": label} for label in labels]
    parser.update({"train#dataset": Dataset(items), "train#dataloader#batch_sampler#labels": labels})
    parser.update({"train#own_handlers": []})
    parser.update({"generator_schedule": None, "discriminator_schedule": None})
    return parser


def make_step(configs: Sequence[str], changes: dict[str, Any]) -> tuple[Callable[[], None], int]:
    """Build a training iteration of a config.

    Args:
        configs: config files.
        changes: keys to change.

    Returns:
        A function that makes one iteration, and the number of the network's parameters.
    """
    trainer: ICAMTrainer = make_parser(configs, changes).get_parsed_content("train#trainer")
    trainer.state.epoch = 1
    batch = next(iter(trainer.data_loader))

    def step() -> None:
        trainer._iteration(trainer, batch)

    return step, sum(weight.numel() for weight in trainer.network.parameters())


def compare_variants(configs: Sequence[str]) -> None:
    """Time all variants in interleaved rounds and print a table."""
    steps = {name: make_step(configs, changes) for name, changes in VARIANTS.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(ROUNDS + 1):
        for name, (step, _) in steps.items():
            start = time.perf_counter()
            step()
            if round_number:  # the first warms up
                times[name].append(time.perf_counter() - start)
    print(f"{'variant':24} {'median s':>9} {'fastest s':>9} {'parameters':>11}   ({torch.get_num_threads()} threads)")
    for name, values in times.items():
        print(f"{name:24} {statistics.median(values):9.3f} {min(values):9.3f} {steps[name][1]:11,}")


def compare_volumes(configs: Sequence[str]) -> None:
    """Run every task on every grid in a process of its own and print a table."""
    print(f"{'voxels':>12} {'task':24} {'seconds':>8} {'MiB':>7}")
    for size in SIZES:
        idle = 0
        for task in TASKS:
            command = [sys.executable, __file__, "measure", task, ",".join(map(str, size)), *configs]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            seconds, memory = output.split()[-2:]
            idle = idle or int(memory)
            print(f"{'x'.join(map(str, size)):>12} {task:24} {float(seconds):8.1f} {int(memory) - idle:7d}", flush=True)


def measure(task: str, size: str, configs: Sequence[str]) -> None:
    """Run a task twice and print the seconds of the second time and the largest memory of this process in MiB."""
    grid = [int(side) for side in size.split(",")]
    changes = {"image_size": grid, "batch_size": 2}
    if task.startswith("training"):
        step: Callable[[], Any] = make_step(configs, changes | {"activation_checkpointing": "checkpointing" in task})[0]
    else:
        network = make_parser(configs, changes).get_parsed_content("network")
        image = torch.rand(1, 1, *grid) * 2 - 1
        draws = {1: PriorSource(network).draw(1)}
        step = network.eval if task == "idle" else lambda: sampled_maps(EncodedScans(network, image), torch.tensor([1]), draws)
    for _ in range(2):
        start = time.perf_counter()
        step()
    print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // MEBIBYTE)


def main(verb: str, *arguments: str) -> None:
    """Do what the first argument says."""
    if verb == "measure":
        measure(arguments[0], arguments[1], arguments[2:])
    else:
        {"variants": compare_variants, "volumes": compare_volumes}[verb](arguments or DEFAULT[verb])


if __name__ == "__main__":
    main(*sys.argv[1:])
