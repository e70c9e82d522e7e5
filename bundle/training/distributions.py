"""Distributions of the classes' attributes, fitted anew while a network learns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.data import Dataset

from bundle.attribution.density import fit_distributions
from bundle.attribution.sources import encode_attributes
from bundle.checkpoints import read_about, save_network
from bundle.files import announce
from bundle.networks import ICAM
from bundle.ranks import is_first, share_work


class FitDistributions:
    """Fit the distributions of the averaged network to training scans after every epoch, and give them to the one that learns.

    Attributes are drawn from them in the next epoch, and they are saved with the network. Attach it after the averaging and
    before the validation.

    Args:
        network: network that learns.
        averaged: network that is validated and saved.
        dataset: training scans, without augmentation, with `image` and `label`.
        num_scans: scans that are encoded, at most, as many of each class as there are.
        batch_size: scans encoded at once.
        seed: decides which scans, and the first guesses of the fit.
    """

    def __init__(
        self, network: ICAM, averaged: ICAM, dataset: Dataset, num_scans: int = 1000, batch_size: int = 16, seed: int = 0
    ) -> None:
        self.network, self.averaged, self.dataset = network, averaged, dataset
        self.num_scans, self.batch_size, self.seed = num_scans, batch_size, seed

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        if self.network.distributions is not None:
            engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Fit the distributions."""
        assert self.network.distributions is not None
        fit_to_scans(self.averaged, self.dataset, self.num_scans, self.batch_size, self.seed)
        self.network.distributions.load_state_dict(self.averaged.distributions.state_dict())


def fit_to_scans(network: ICAM, dataset: Dataset, num_scans: int = 1000, batch_size: int = 16, seed: int = 0) -> None:
    """Fit the distributions of a network to training scans; the processes of a run share the encoding.

    Args:
        network: network with distributions.
        dataset: training scans, without augmentation, with `image`; its `data` have the `label`.
        num_scans: scans that are encoded, at most, as many of each class as there are.
        batch_size: scans encoded at once.
        seed: decides which scans, and the first guesses of the fit.
    """
    labels = [int(row["label"]) for row in dataset.data]
    chosen = choose_scans(labels, num_scans, seed)
    device = network.class_attributes.device
    batches = [chosen[start : start + batch_size] for start in range(0, len(chosen), batch_size)]
    parts = share_work(batches, lambda batch: encode_attributes(network, dataset, batch, device).values.cpu())
    fit_distributions(network.distributions, torch.cat(parts), torch.tensor([labels[index] for index in chosen]), seed)


def add_distributions(network: ICAM, dataset: Dataset, checkpoint: str | Path, path: str | Path, **settings: Any) -> None:
    """Fit the distributions of a trained network, and save it with all that its file says of it.

    Args:
        network: the network of the file.
        dataset: training scans, as of `fit_to_scans`.
        checkpoint: file of the network.
        path: file that is written.
        settings: further arguments of `fit_to_scans`.

    Raises:
        ValueError: When the network has no distributions.
    """
    if network.distributions is None:
        raise ValueError("the network has no distributions of its classes: give num_components of at least 1")
    fit_to_scans(network, dataset, **settings)
    if is_first():
        save_network(path, network, read_about(checkpoint))
        announce(Path(path).parent, {Path(path).name: "the network with the distributions of its classes' attributes"})


def choose_scans(labels: Sequence[int], num_scans: int, seed: int) -> list[int]:
    """Return the positions of `num_scans` scans at most, as many of each class as there are, in ascending order.

    Args:
        labels: class of each scan.
        num_scans: number of scans.
        seed: decides which.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    classes = np.asarray(labels)[order]
    ranks = np.zeros(len(order), dtype=int)  # how many scans of its class come before each
    for label in np.unique(classes):
        ranks[classes == label] = np.arange((classes == label).sum())
    return sorted(order[np.argsort(ranks, kind="stable")[:num_scans]].tolist())
