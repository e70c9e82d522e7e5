"""Other methods that explain test scans: post-hoc ones on a classifier, and VA-GAN."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from bundle.baselines import VAGAN
from bundle.checkpoints import hash_weights
from bundle.evaluation.encodings import Encodings
from bundle.evaluation.explainers import Counterfactuals, Explainer
from bundle.evaluation.split import Split


class PostHocExplainer(Explainer):
    """Post-hoc methods on a classifier.

    Source: Bass et al., NeurIPS 2020, Sec. 4.1 and 4.3, Tables 3 and 4 (https://arxiv.org/abs/2006.08287).

    Args:
        classifier: trained network, from scans to class logits; None for methods without one, such as VA-GAN.
        methods: attribution methods of `bundle.baselines`, of that network or networks themselves, by the name of their rows.
        split: the test split.
        sources: classes whose scans are explained; None for all.
        device: where to compute.
        settings: what else decides the maps, for `settings.json`.
    """

    def __init__(
        self,
        classifier: nn.Module | None,
        methods: Mapping[str, Any],
        split: Split,
        sources: Sequence[int] | None = None,
        device: torch.device | str = "cpu",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.classifier, self.methods, self.split, self.device = classifier, dict(methods), split, device
        self.sources = range(split.num_classes) if sources is None else sources
        self.settings = dict(settings or {})
        self.networks = list(dict.fromkeys(getattr(method, "network", method) for method in self.methods.values()))

    def explains(self, source: int, target: int) -> bool:
        """Return whether the classes differ and scans of class `source` are explained."""
        return source != target and source in self.sources

    def encode(self) -> Encodings:
        """Return the class probabilities of all test scans."""
        if self.classifier is None:
            return Encodings(torch.zeros(len(self.split), 0))
        with eval_mode(self.classifier), torch.inference_mode():
            images = self.split.stack_all("classifying")
            logits = [self.classifier(image.to(self.device)).double().cpu() for image in images]
        return Encodings(torch.cat(logits).softmax(1))

    def make_maps(self, indices: Sequence[int], target: int, attribute: Tensor | None = None) -> dict[str, Tensor]:
        """Explain some test scans, as `Explainer.make_maps`; there are no attributes."""
        image = self.split.stack(indices).to(self.device)
        explained = torch.tensor([explained_class(int(self.split.labels[i]), target) for i in indices])
        return {name: method.attribute(image, explained).cpu() for name, method in self.methods.items()}

    def describe(self) -> dict[str, Any]:
        """Return weights, methods and their settings, for `settings.json`."""
        networks = [each for each in (self.classifier, *self.methods.values()) if isinstance(each, nn.Module)]
        weights = ", ".join(f"SHA-256 {hash_weights(network)}" for network in networks)
        return {"weights": weights, "methods": list(self.methods)} | self.settings


class VAGANExplainer(PostHocExplainer):
    """VA-GAN, which translates diseased scans to controls by adding its map.

    Args:
        network: trained VA-GAN.
        split: the test split.
        device: where to compute.
        name: name of its rows.
    """

    def __init__(self, network: VAGAN, split: Split, device: torch.device | str = "cpu", name: str = "vagan") -> None:
        super().__init__(None, {name: network}, split, [network.source], device)
        self.network, self.translating = network, name

    def explains(self, source: int, target: int) -> bool:
        """Return whether this is the one direction that the network was trained for."""
        return (source, target) == (self.network.source, self.network.target)

    def translate(self, indices: Sequence[int], target: int) -> Counterfactuals:
        """Add to some test scans their maps; there is no attribute, hence no way back."""
        with eval_mode(self.network), torch.inference_mode():
            return Counterfactuals(self.network.translate(self.split.stack(indices).to(self.device)).cpu())


def explained_class(label: int, target: int) -> int:
    """Return the class that a post-hoc map explains, where ICAM translates a scan: the more diseased of the two.

    A diseased scan's map (-) shows what speaks for its disease, a control's map (+) what speaks for and against the target's.
    """
    return max(label, target)
