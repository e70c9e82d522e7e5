"""Distributions of the classes' attributes, fitted anew while a network learns."""

import torch
from ignite.engine import Engine, Events
from monai.data import Dataset

from bundle.attribution.density import fit_distributions
from bundle.attribution.sources import encode_attributes
from bundle.networks import ICAM
from bundle.ranks import share_work
from bundle.training.completion import choose_scans


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
        if getattr(self.network, "distributions", None) is not None:  # networks of other methods have none
            engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Fit the distributions."""
        assert self.network.distributions is not None
        assert self.averaged.distributions is not None
        chosen, labels = choose_scans(self.dataset, self.num_scans, self.seed)
        batches = [chosen[start : start + self.batch_size] for start in range(0, len(chosen), self.batch_size)]
        device = self.averaged.class_attributes.device
        parts = share_work(batches, lambda batch: encode_attributes(self.averaged, self.dataset, batch, device).values.cpu())
        fit_distributions(self.averaged.distributions, torch.cat(parts), labels, self.seed)
        self.network.distributions.load_state_dict(self.averaged.distributions.state_dict())
