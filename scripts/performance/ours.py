"""Training iterations and maps of a config, on synthetic scans."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.data import Dataset

from bundle import CONFIGS
from bundle.attribution import EncodedScans, PriorSource, TestTimeAugmentation, sampled_maps
from bundle.memory import keep_memory
from bundle.training import ICAMTrainer
from bundle.training.augmentation import move_batch

PAPER = ("paper_network", "paper_objective")  # overlays with the paper's widths, networks and terms


def write_command(entry: str, files: Sequence[str], keys: Mapping[str, Any]) -> list[str]:
    """Return the words of a run of the bundle, after the name of the interpreter.

    Args:
        entry: entry point of the configs, such as "training".
        files: names of the configs.
        keys: keys to change.
    """
    words = ["-m", "monai.bundle", "run", entry, "--config_file", str([f"configs/{name}.yaml" for name in files])]
    return words + [word for key, value in keys.items() for word in (f"--{key}", str(value))]


def make_parser(overlays: Sequence[str], changes: Mapping[str, Any]) -> ConfigParser:
    """Read configs that train on synthetic scans, two batches long, without first phases.

    Args:
        overlays: names of the overlays of train.yaml.
        changes: keys to change.
    """
    parser = ConfigParser()
    parser.read_config([str(CONFIGS / f"{name}.yaml") for name in ("train", *overlays)])
    parser.update({"classifier_epochs": 0, "warmup_epochs": 0, "epoch_length": 2, "device": "cpu", **changes})
    size, count = parser["image_size"], parser["batch_size"]
    labels = [index * 2 // count for index in range(count)]
    items = [{"image": torch.rand(1, *size) * 2 - 1, "label": label} for label in labels]
    parser.update({"train#dataset": Dataset(items), "train#dataloader#batch_sampler#labels": labels})
    keep_memory(parser["keep_memory"])
    parser.update(
        {
            "train#trainer#prepare_batch": move_batch,
            "train#own_handlers": [],
            "generator_schedule": None,
            "discriminator_schedule": None,
        }
    )
    return parser


def make_step(overlays: Sequence[str], changes: Mapping[str, Any]) -> tuple[Callable[[], Any], int]:
    """Build a training iteration, without loading and augmentation of scans.

    Args:
        overlays: names of the overlays of train.yaml.
        changes: keys to change.

    Returns:
        A function that makes one iteration, and the number of the network's parameters.
    """
    trainer: ICAMTrainer = make_parser(overlays, changes).get_parsed_content("train#trainer")
    trainer.state.epoch = 1
    trainer.start_epoch()
    batch = next(iter(trainer.data_loader))
    return lambda: trainer._iteration(trainer, batch), sum(weight.numel() for weight in trainer.network.parameters())


def make_maps(
    overlays: Sequence[str], changes: Mapping[str, Any], num_samples: int, mirror_axis: int | None = None
) -> Callable[[], Any]:
    """Build a function that makes mean and variance of the maps of one scan.

    Args:
        overlays: names of the overlays of train.yaml.
        changes: keys to change.
        num_samples: attributes that are drawn.
        mirror_axis: spatial axis of a second view; None for one view.
    """
    parser = make_parser(overlays, changes)
    network = parser.get_parsed_content("network").eval()
    image, views = torch.rand(1, 1, *parser["image_size"]) * 2 - 1, TestTimeAugmentation(mirror_axis)

    def explain() -> None:
        with torch.inference_mode():
            draws = {1: PriorSource(network, num_samples).draw(1)}
            sampled_maps(EncodedScans(network, image, views), torch.tensor([1]), draws)

    return explain
