"""Parameter randomisation: whether maps depend on what a network has learned."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from bundle.evaluation.explainers import Explainer
from bundle.evaluation.faithfulness.cases import list_cases
from bundle.evaluation.names import FAITHFULNESS, RANDOMISATION
from bundle.metrics import compute_ncc

(METRIC,) = FAITHFULNESS[RANDOMISATION]


class Randomisation:
    """Compare maps with those of the same network with shuffled weights.

    Source: Adebayo et al., NeurIPS 2018, Sec. 3 (https://arxiv.org/abs/1810.03292).

    Args:
        num_shuffles: shuffles of the weights.
        num_scans: diseased scans of each split that are explained; None for all.
        insensitive_above: mean NCC with the maps of shuffled weights above which a method is marked.
        seed: seed of the scans and of the first shuffle.

    Raises:
        ValueError: When `num_shuffles` is below 1.
    """

    def __init__(
        self, num_shuffles: int = 1, num_scans: int | None = None, insensitive_above: float = 0.5, seed: int = 0
    ) -> None:
        if num_shuffles < 1:
            raise ValueError(f"num_shuffles must be at least 1, got {num_shuffles}")
        self.num_shuffles, self.num_scans = num_shuffles, num_scans
        self.insensitive_above, self.seed = insensitive_above, seed

    def score(self, explainer: Explainer) -> Iterator[dict[str, Any]]:
        """Yield the NCC of |map| with |map| of shuffled weights, averaged over shuffles, a row a scan and method.

        It is about zero for maps that show what the network has learned, and high for those that show the scan.
        """
        for case in list_cases(explainer.split, explainer.explains, self.num_scans, self.seed, to_controls=True):
            about = {"direction": case.direction, "protocol": RANDOMISATION}
            for batch in explainer.split.batches(case.indices, f"shuffling weights ({case.direction})"):
                trained = explainer.make_maps(batch, case.target)
                values: dict[str, list[torch.Tensor]] = {method: [] for method in trained}
                for shuffle in range(self.num_shuffles):
                    with shuffled_weights(explainer.networks, self.seed + shuffle):
                        maps = explainer.make_maps(batch, case.target)
                    for method in trained:
                        values[method].append(compute_ncc(trained[method], maps[method]))
                means = {method: torch.stack(agreements).nanmean(0).tolist() for method, agreements in values.items()}  # (B,)
                for position, index in enumerate(batch):
                    for method in trained:
                        figures = {"method": method, METRIC: means[method][position]}
                        yield explainer.split.describe(index) | figures | about


@contextmanager
def shuffled_weights(networks: Sequence[nn.Module], seed: int = 0) -> Iterator[None]:
    """Shuffle the weights of networks within each tensor inside the block, and restore them exactly afterwards.

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
