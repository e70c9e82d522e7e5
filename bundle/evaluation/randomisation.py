"""Whether maps depend on what a network has learned: the same maps after its weights have been shuffled."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from bundle.evaluation.cases import Case
from bundle.evaluation.explainers import Explainer
from bundle.metrics import compute_ncc

RANDOMISATION = "randomisation"  # protocol of these figures in the tables
METRICS = ("randomisation_ncc",)


def compare_shuffled(explainer: Explainer, case: Case, num_shuffles: int = 1, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the NCC of |map| with |map| of the network with shuffled weights, averaged over shuffles, a row a scan and method.

    It is about zero for maps that show what the network has learned, and high for those that show the scan.

    Source: Adebayo et al., NeurIPS 2018, Sec. 3 (https://arxiv.org/abs/1810.03292).

    Args:
        explainer: the methods.
        case: scans of one class, and the class that maps lead to.
        num_shuffles: shuffles.
        seed: seed of the first one.
    """
    for batch in case.split("shuffling weights"):
        trained = explainer.make_maps(batch, case.target)
        values: dict[str, list[torch.Tensor]] = {method: [] for method in trained}
        for shuffle in range(num_shuffles):
            with shuffled_weights(explainer.networks, seed + shuffle):
                maps = explainer.make_maps(batch, case.target)
            for method in trained:
                values[method].append(compute_ncc(trained[method], maps[method]))
        means = {method: torch.stack(agreements).nanmean(0).tolist() for method, agreements in values.items()}  # (B,) each
        for position, index in enumerate(batch):
            for method in trained:
                yield explainer.scorer.describe(index) | {"method": method, METRICS[0]: means[method][position]}


@contextmanager
def shuffled_weights(networks: Sequence[nn.Module], seed: int = 0) -> Iterator[None]:
    """Shuffle the weights of networks within each tensor inside the block, and give them back exactly afterwards.

    Copies of a network, such as the guided ones of post-hoc methods, are shuffled alike. Buffers stay as they are.

    Source: Adebayo et al., NeurIPS 2018, Sec. 3 (https://arxiv.org/abs/1810.03292), all layers at once.

    Args:
        networks: the networks; weights that they share are shuffled once.
        seed: seed of the permutations, the same for each network.
    """
    kept: dict[int, tuple[nn.Parameter, torch.Tensor]] = {}
    try:
        for network in networks:
            generator = torch.Generator().manual_seed(seed)
            for weight in network.parameters():
                order = torch.randperm(weight.numel(), generator=generator)  # drawn for shared weights too, so that copies agree
                if id(weight) not in kept:
                    kept[id(weight)] = weight, weight.detach().clone()
                    weight.data.copy_(weight.detach().flatten()[order.to(weight.device)].view_as(weight))
        yield
    finally:
        for weight, values in kept.values():
            weight.data.copy_(values)
