"""Time one training iteration with different parts, side by side in one process.

Usage: PYTHONPATH=. python scripts/benchmark.py [CONFIG]      (default configs/train.yaml; synthetic scans, no cohort is needed)

Prints for each variant the median and the fastest iteration in seconds, of interleaved rounds, and the network's parameters.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from monai.bundle import ConfigParser

from bundle.networks import Generator
from bundle.training import ICAMTrainer

ROUNDS = 5
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


def make_step(config: str, changes: dict[str, Any]) -> tuple[Callable[[], None], int]:
    """Build a training iteration of a config.

    Args:
        config: config file.
        changes: keys to change.

    Returns:
        A function that makes one iteration, and the number of the network's parameters.
    """
    parser = ConfigParser()
    parser.read_config(config)
    size, count = parser["image_size"], parser["batch_size"]
    labels = torch.arange(count) * 2 // count
    batch = {"image": torch.rand(count, 1, *size) * 2 - 1, "label": labels}
    parser.update({"train#dataloader": [batch], "train#handlers": [], "train#trainer#augmentation": None, "warmup_epochs": 0})
    parser.update({"generator_schedule": None, "discriminator_schedule": None, **changes})
    trainer: ICAMTrainer = parser.get_parsed_content("train#trainer")
    trainer.state.epoch = 1
    network = trainer.network

    def step() -> None:
        trainer._iteration(trainer, batch)

    return step, sum(weight.numel() for weight in network.parameters())


def main(config: str = "configs/train.yaml") -> None:
    """Time all variants in interleaved rounds and print a table."""
    steps = {name: make_step(config, changes) for name, changes in VARIANTS.items()}
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


if __name__ == "__main__":
    main(*sys.argv[1:])
