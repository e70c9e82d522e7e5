"""A classifier and explainers that are known to be right on the tiny cohort."""

import torch
from torch import Tensor, nn

from bundle.evaluation.explainers import Counterfactuals
from bundle.evaluation.faithfulness import IndependentClassifier
from tests.tiny_evaluation import build_split

DISEASED = -0.35  # intensity that lesions of the tiny cohort have, and nothing else


class Lesions(nn.Module):
    """Class logits from the amount of lesioned voxels in a scan."""

    def __init__(self) -> None:
        super().__init__()
        self.readout = nn.Linear(1, 2)
        self.readout.weight.data = torch.tensor([[-2.0], [2.0]])
        self.readout.bias.data = torch.tensor([2.0, -2.0])

    def forward(self, image: Tensor) -> Tensor:
        return self.readout((image - DISEASED).clamp(min=0).flatten(1).mean(1, keepdim=True) * 512)


class KnownExplainer:
    """Maps that are right, wrong or those of a network, and translations that remove lesions by painting over them."""

    translating: str | None = "right"

    def __init__(self, cohort, network: nn.Module | None = None, batch_size: int = 4) -> None:
        self.split = build_split(cohort, batch_size=batch_size)
        self.network = network
        self.networks = [] if network is None else [network]

    def explains(self, source: int, target: int) -> bool:
        return (source, target) == (1, 0)

    def make_maps(self, indices, target: int, attribute=None) -> dict[str, Tensor]:
        image = self._read(indices)
        lesion = (image > DISEASED).float()
        maps = {"right": lesion, "wrong": (1 - lesion) * (image > -1)}
        if self.network is not None:
            with torch.inference_mode():
                maps["learned"] = self.network(image)
        return maps

    def translate(self, indices, target: int) -> Counterfactuals:
        image = self._read(indices)
        return Counterfactuals(torch.where(image > DISEASED, -0.45, image), image + 0.01, image - 0.02)

    def describe(self) -> dict[str, str]:
        return {"weights": "none"}

    def _read(self, indices) -> Tensor:
        return self.split.stack(indices)


def make_classifier(batch_size: int = 16) -> IndependentClassifier:
    return IndependentClassifier(Lesions(), batch_size=batch_size)
