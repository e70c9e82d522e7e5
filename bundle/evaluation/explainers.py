"""What an examination asks of a method: maps of scans, the networks that they come from, and translated scans."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from bundle.baselines import VAGAN
from bundle.evaluation.attributions import AttributionEvaluation
from bundle.evaluation.encoding import encode_attributes, stack_images
from bundle.evaluation.evaluator import Evaluation
from bundle.evaluation.scorer import MapScorer
from bundle.networks import ICAM


class Counterfactuals(NamedTuple):
    """Scans made by a generative method, on the CPU, each (B, C, H, W[, D]).

    Attributes:
        translated: scans translated to another class.
        unchanged: scans decoded with their own attribute; None where the method has no attribute.
        returned: translated scans, translated back with the attribute of the scan; likewise.
    """

    translated: Tensor
    unchanged: Tensor | None = None
    returned: Tensor | None = None


class Explainer(Protocol):
    """A method, or several that explain one network, on the scans of an evaluation.

    Attributes:
        scorer: the test scans, their splits and reference scans.
        networks: networks whose weights the maps depend on.
        cohort: name of the cohort in the tables.
        output_dir: folder of the results.
        translating: name of the method that translates scans; None when there is none.
    """

    scorer: MapScorer
    networks: list[nn.Module]
    cohort: str
    output_dir: Path
    translating: str | None

    def explains(self, source: int, target: int) -> bool:
        """Tell whether there are maps of scans of class `source` towards class `target`."""

    def make_maps(self, indices: Sequence[int], target: int) -> dict[str, Tensor]:
        """Explain some test scans towards a class, with the weights that the networks have now.

        Args:
            indices: positions in the test split, none of class `target`.
            target: class to translate to.

        Returns:
            Maps by method, on the CPU, each (B, C, H, W[, D]).
        """

    def translate(self, indices: Sequence[int], target: int) -> Counterfactuals:
        """Translate some test scans to a class; methods that are not `translating` are not asked."""

    def describe(self) -> dict[str, Any]:
        """Return what decides the maps, for `settings.json`."""


class TranslatingExplainer:
    """ICAM and its relatives: maps and translations with the attributes of the reference scans, and sampled maps.

    Args:
        evaluation: evaluation of the network.
    """

    translating: str | None = "exemplar_input"  # the method whose map is the translated scan minus the scan

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation, self.scorer, self.cohort = evaluation, evaluation.comparison, evaluation.cohort
        self.network: ICAM = evaluation.network
        self.networks: list[nn.Module] = [self.network]
        self.output_dir = evaluation.folder.parent

    def explains(self, source: int, target: int) -> bool:
        """Return whether the classes differ: all of them are explained."""
        return source != target

    def make_maps(self, indices: Sequence[int], target: int) -> dict[str, Tensor]:
        """Explain some test scans, as `Explainer.make_maps`; attributes are encoded and drawn anew."""
        comparison = self.evaluation.comparison
        return comparison.explain(indices, target, self._borrow(indices, target), comparison.draw_anew(comparison.draws, target))

    def translate(self, indices: Sequence[int], target: int) -> Counterfactuals:
        """Translate some test scans with the attributes of their reference scans.

        Args:
            indices: positions in the test split, none of class `target`.
            target: class to translate to.
        """
        image = stack_images([self.scorer.test[i] for i in indices]).to(self.evaluation.device)
        borrowed, targets = self._borrow(indices, target), torch.full((len(indices),), target)
        labels = torch.tensor([int(self.scorer.test.data[i]["label"]) for i in indices])
        network = self.network
        with eval_mode(network), torch.inference_mode():
            latents = network.encode(image)
            own = network.tell(latents.mean, labels)
            translated = network.decode(latents.content, network.tell(borrowed, targets))
            unchanged = network.decode(latents.content, own)
            returned = network.translate(translated, own)
        return Counterfactuals(translated.cpu(), unchanged.cpu(), returned.cpu())

    def describe(self) -> dict[str, Any]:
        """Return the settings of the evaluation."""
        return self.evaluation.describe()

    def _borrow(self, indices: Sequence[int], target: int) -> Tensor:
        """Return the attribute means of the reference scans of some test scans, (B, 1, H/16, W/16[, D/16])."""
        lenders = [self.scorer.references[i][target] for i in indices]
        return encode_attributes(self.network, self.scorer.test, lenders, self.evaluation.device, self.evaluation.batch_size)


class PostHocExplainer:
    """Post-hoc methods on a classifier.

    Args:
        evaluation: evaluation of the methods.
    """

    translating: str | None = None

    def __init__(self, evaluation: AttributionEvaluation) -> None:
        self.evaluation, self.scorer, self.cohort = evaluation, evaluation.scorer, evaluation.cohort
        self.networks: list[nn.Module] = list(_find_networks(evaluation.methods.values()))
        self.output_dir = evaluation.folder.parent

    def explains(self, source: int, target: int) -> bool:
        """Return whether the classes differ and scans of class `source` are explained."""
        return source != target and source in self.evaluation.sources

    def make_maps(self, indices: Sequence[int], target: int) -> dict[str, Tensor]:
        """Explain some test scans, as `Explainer.make_maps`."""
        return self.evaluation.make_maps(indices, target)

    def translate(self, indices: Sequence[int], target: int) -> Counterfactuals:
        """Refuse: a post-hoc method translates nothing.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("post-hoc methods do not translate scans")

    def describe(self) -> dict[str, Any]:
        """Return the settings of the evaluation."""
        return self.evaluation.describe()


class VAGANExplainer(PostHocExplainer):
    """VA-GAN, which translates diseased scans to controls by adding its map.

    Args:
        evaluation: evaluation of VA-GAN as its only method.
        network: trained VA-GAN.
    """

    def __init__(self, evaluation: AttributionEvaluation, network: VAGAN) -> None:
        super().__init__(evaluation)
        self.network = network
        self.translating = next(iter(evaluation.methods))

    def explains(self, source: int, target: int) -> bool:
        """Return whether this is the one direction that the network was trained for."""
        return (source, target) == (self.network.source, self.network.target)

    def translate(self, indices: Sequence[int], target: int) -> Counterfactuals:
        """Add to some test scans their maps; there is no attribute, hence no way back.

        Args:
            indices: positions in the test split, of the source class.
            target: class to translate to: the network's.
        """
        image = stack_images([self.scorer.test[i] for i in indices]).to(self.evaluation.device)
        with eval_mode(self.network), torch.inference_mode():
            return Counterfactuals(self.network.translate(image).cpu())


def _find_networks(methods: Iterable[Any]) -> Iterable[nn.Module]:
    """Return the networks of methods, each once."""
    networks = [method if isinstance(method, nn.Module) else method.network for method in methods]
    return {id(network): network for network in networks}.values()
