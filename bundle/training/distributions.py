"""Distributions of the classes' attributes, fitted anew while a network learns."""

from ignite.engine import Engine, Events

from bundle.networks import ICAM
from bundle.training.completion import Completion


class FitDistributions:
    """Fit the distributions of the averaged network to training scans after every epoch, and give them to the one that learns.

    Attributes are drawn from them in the next epoch, and they are saved with the network. Attach it after the averaging and
    before the validation.

    Args:
        network: network that learns.
        averaged: network that is validated and saved.
        completion: fits them.
    """

    def __init__(self, network: ICAM, averaged: ICAM, completion: Completion) -> None:
        self.network, self.averaged, self.completion = network, averaged, completion

    def attach(self, engine: Engine) -> None:
        """Register with a trainer."""
        if getattr(self.network, "distributions", None) is not None:  # networks of other methods have none
            engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Fit the distributions."""
        self.completion.fit_distributions(self.averaged)
        assert self.network.distributions is not None
        assert self.averaged.distributions is not None
        self.network.distributions.load_state_dict(self.averaged.distributions.state_dict())
