"""Weights that a training starts from: those of a trained network, as far as they fit."""

import logging
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from bundle.checkpoints import read_weights

logger = logging.getLogger(__name__)
Network = TypeVar("Network", bound=nn.Module)


@torch.no_grad()
def initialise(network: Network, path: str | Path | None) -> Network:
    """Give a network the weights of a trained one that have the same names and shapes; the others stay as they are.

    So a head of other classes, or of a quantity that the trained network does not regress, starts anew. What was fitted to the
    other cohort, such as the distributions of its classes, is not taken over. A sentence in the log names what starts anew.

    Args:
        network: network with its first weights.
        path: file of the trained network; None for none.

    Returns:
        The same network.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no checkpoint, is a network of volumes for slices or the reverse, or no weight of it fits.
    """
    if path is None:
        return network
    trained, own = read_weights(Path(path)), dict(network.named_parameters())
    fitting = [name for name, weight in own.items() if name in trained and trained[name].shape == weight.shape]
    if other := [trained[name].ndim for name in own if name in trained and trained[name].ndim != own[name].ndim]:
        raise ValueError(f"init_from {path} is of {'slices' if other[0] == 4 else 'volumes'}: give a network of the same kind")
    if not fitting:
        raise ValueError(f"init_from {path} has no weight that fits this network: give a network of the same overlays")
    for name in fitting:
        own[name].copy_(trained[name])
    new = sorted({name.rpartition(".")[0] for name in own.keys() - set(fitting)})
    logger.info(
        "%d of %d weights are those of %s; %s", len(fitting), len(own), path,
        f"what starts anew: {', '.join(new)}" if new else "nothing starts anew but what is fitted to the cohort",
    )  # fmt: skip
    return network
