"""Methods that explain test scans: ICAM and its relatives, post-hoc methods on a classifier, and VA-GAN."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from bundle.attribution import (
    NO_AUGMENTATION,
    AttributeSource,
    EncodedScans,
    TestTimeAugmentation,
    encode_attributes,
    exemplar_maps,
    interpolate,
    sampled_maps,
)
from bundle.baselines import VAGAN
from bundle.checkpoints import hash_weights
from bundle.evaluation.encodings import Encodings, encode_scans
from bundle.evaluation.split import Split
from bundle.networks import ICAM
from bundle.structures import Attributes, AttributionMaps


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
    """A method, or several that explain one network, on the test split.

    Attributes:
        split: the test scans and their reference scans.
        networks: networks whose weights the maps depend on.
        translating: name of the method that translates scans; None when there is none.
    """

    split: Split
    networks: list[nn.Module]
    translating: str | None

    def explains(self, source: int, target: int) -> bool:
        """Return whether there are maps of scans of class `source` towards class `target`."""

    def encode(self) -> Encodings:
        """Return what the networks compute of all test scans."""

    def make_maps(self, indices: Sequence[int], target: int, attribute: Tensor | None = None) -> dict[str, Tensor]:
        """Explain some test scans towards a class.

        Args:
            indices: positions in the test split, none of class `target`.
            target: class to translate to.
            attribute: attribute means of all test scans, from `encode`; None encodes and draws all attributes anew, with the
                weights that the networks have now.

        Returns:
            Maps by method, on the CPU, each (B, C, H, W[, D]).
        """

    def translate(self, indices: Sequence[int], target: int) -> Counterfactuals:
        """Translate some test scans to a class, with a method that is `translating`."""

    def describe(self) -> dict[str, Any]:
        """Return what decides the maps, for `settings.json`."""

    def list_gaps(self) -> list[str]:
        """Return a sentence for all that the networks do not allow to be computed."""


class TranslatingExplainer:
    """ICAM and its relatives: maps and translations with the attributes of the reference scans, and sampled maps.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network.
        split: the test split.
        sources: ways to draw attributes of a class, by name.
        attribute_source: name of the source of the sampled maps.
        augmentation: views over which maps are averaged.
        chunk_size: draws decoded at once, for each scan.
        device: where to compute.

    Raises:
        ValueError: When `attribute_source` is not one of `sources`, or there are no such views.
    """

    translating: str | None = "exemplar_input"  # the method whose map is the translated scan minus the scan

    def __init__(
        self,
        network: ICAM,
        split: Split,
        sources: Mapping[str, AttributeSource],
        attribute_source: str = "prior",
        augmentation: TestTimeAugmentation = NO_AUGMENTATION,
        chunk_size: int = 10,
        device: torch.device | str = "cpu",
    ) -> None:
        if attribute_source not in sources:
            raise ValueError(f"attribute_source must be one of {', '.join(sources)}, got {attribute_source!r}")
        augmentation.check(len(network.attribute_encoder.image_size))
        self.network, self.split, self.device = network.to(device), split, device
        self.networks: list[nn.Module] = [self.network]
        self.sources, self.attribute_source = sources, attribute_source
        self.augmentation, self.chunk_size = augmentation, chunk_size
        self.num_samples = sources[attribute_source].num_samples

    def explains(self, source: int, target: int) -> bool:
        """Return whether the classes differ: all of them are explained."""
        return source != target

    def encode(self) -> Encodings:
        """Return the latents of all test scans."""
        return encode_scans(self.network, self.split, self.device)

    def encode_batch(self, indices: Sequence[int], split: Split | None = None) -> EncodedScans:
        """Return some scans of the test split, or of another one, encoded in every view."""
        split = split or self.split
        image, labels = split.stack(indices).to(self.device), torch.from_numpy(split.labels[indices])
        return EncodedScans(self.network, image, self.augmentation, labels)

    def find_exemplars(self, indices: Sequence[int], attribute: Tensor | None = None) -> Attributes:
        """Return the attributes that some test scans give to others.

        Args:
            indices: positions in the test split.
            attribute: attribute means of all test scans; None encodes these scans.
        """
        if attribute is not None and self.augmentation.mirror_axis is None:
            return Attributes(attribute[indices].to(self.device))
        encoded = encode_attributes(
            self.network, self.split.dataset, indices, self.device, self.split.batch_size, self.augmentation
        )
        return encoded if attribute is None else encoded._replace(values=attribute[indices].to(self.device))

    def explain(
        self, indices: Sequence[int], target: int, attribute: Tensor | None = None
    ) -> tuple[EncodedScans, AttributionMaps, AttributionMaps]:
        """Return some test scans, encoded, with their exemplar and their sampled maps towards a class; see `make_maps`."""
        source = self.sources[self.attribute_source]
        drawn = (source.fresh() if attribute is None else source).draw(target)
        exemplars = self.find_exemplars([self.split.references[i][target] for i in indices], attribute)
        scans, targets = self.encode_batch(indices), torch.full((len(indices),), target)
        return scans, exemplar_maps(scans, exemplars, targets), sampled_maps(scans, targets, {target: drawn}, self.chunk_size)

    def make_maps(self, indices: Sequence[int], target: int, attribute: Tensor | None = None) -> dict[str, Tensor]:
        """Compute the maps against the scan's own reconstruction and against the input, as `Explainer.make_maps`."""
        scans, exemplar, sampled = self.explain(indices, target, attribute)
        maps = {
            "exemplar_reconstruction": exemplar.mean,
            "exemplar_input": exemplar.translated - scans.image,
            "sampled_reconstruction": sampled.mean,
            "sampled_input": sampled.translated - scans.image,
        }
        return {method: images.cpu() for method, images in maps.items()}

    def interpolate(self, index: int, target: int, attribute: Tensor, num_steps: int) -> Tensor:
        """Return a test scan while its attribute moves to that of its reference scan, shape (num_steps, C, H, W[, D])."""
        start, end = (attribute[[i]].to(self.device) for i in (index, self.split.references[index][target]))
        labels = torch.tensor([self.split.labels[index]]), torch.tensor([target])
        return interpolate(self.network, self.split.stack([index]).to(self.device), start, end, num_steps, labels)[0].cpu()

    def translate(self, indices: Sequence[int], target: int) -> Counterfactuals:
        """Translate some test scans with the attributes of their reference scans, in one view.

        Args:
            indices: positions in the test split, none of class `target`.
            target: class to translate to.
        """
        image, labels = self.split.stack(indices).to(self.device), torch.from_numpy(self.split.labels[indices])
        exemplars = self.find_exemplars([self.split.references[i][target] for i in indices])
        with eval_mode(self.network), torch.inference_mode():
            content, own, _ = self.network.encode(image)
            translated = self.network.decode(content, exemplars.values, torch.full_like(labels, target))
            unchanged = self.network.decode(content, own, labels)
            returned = self.network.translate(translated, own, labels)
        return Counterfactuals(translated.cpu(), unchanged.cpu(), returned.cpu())

    def describe(self) -> dict[str, Any]:
        """Return weights and sampling, for `settings.json`."""
        prior = self.sources["prior"]
        sampling = {name: getattr(prior, name) for name in ("num_samples", "threshold", "seed")}
        return {
            "weights": f"SHA-256 {hash_weights(self.network)}",
            "maps": sampling | {"chunk_size": self.chunk_size} | self.augmentation._asdict(),
            "attribute_source": self.attribute_source,
        }

    def list_gaps(self) -> list[str]:
        """Return a sentence when the network has no classifier."""
        return [] if self.network.attribute_encoder.classifier is not None else ["the network has no classifier: no accuracy"]


class PostHocExplainer:
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

    translating: str | None = None

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
        self.networks: list[nn.Module] = list(_find_networks(self.methods.values()))

    def explains(self, source: int, target: int) -> bool:
        """Return whether the classes differ and scans of class `source` are explained."""
        return source != target and source in self.sources

    def encode(self) -> Encodings:
        """Return the class probabilities of all test scans."""
        if self.classifier is None:
            return Encodings(torch.zeros(len(self.split), 0))
        with eval_mode(self.classifier), torch.inference_mode():
            batches = self.split.batches(range(len(self.split)), "classifying")
            logits = [self.classifier(self.split.stack(indices).to(self.device)).double().cpu() for indices in batches]
        return Encodings(torch.cat(logits).softmax(1))

    def make_maps(self, indices: Sequence[int], target: int, attribute: Tensor | None = None) -> dict[str, Tensor]:
        """Explain some test scans, as `Explainer.make_maps`; there are no attributes."""
        image = self.split.stack(indices).to(self.device)
        explained = torch.tensor([explained_class(int(self.split.labels[i]), target) for i in indices])
        return {name: method.attribute(image, explained).cpu() for name, method in self.methods.items()}

    def translate(self, indices: Sequence[int], target: int) -> Counterfactuals:
        """Refuse: a post-hoc method translates nothing.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("post-hoc methods do not translate scans")

    def describe(self) -> dict[str, Any]:
        """Return weights, methods and their settings, for `settings.json`."""
        networks = [each for each in (self.classifier, *self.methods.values()) if isinstance(each, nn.Module)]
        weights = ", ".join(f"SHA-256 {hash_weights(network)}" for network in networks)
        return {"weights": weights, "methods": list(self.methods)} | self.settings

    def list_gaps(self) -> list[str]:
        """Return nothing: methods without a classifier are meant to have none."""
        return []


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
        """Add to some test scans their maps; there is no attribute, hence no way back.

        Args:
            indices: positions in the test split, of the source class.
            target: class to translate to: the network's.
        """
        with eval_mode(self.network), torch.inference_mode():
            return Counterfactuals(self.network.translate(self.split.stack(indices).to(self.device)).cpu())


def explained_class(label: int, target: int) -> int:
    """Return the class that a post-hoc map explains, where ICAM translates a scan: the more diseased of the two.

    A diseased scan's map (-) shows what speaks for its disease, a control's map (+) what speaks, for and against, for the disease
    that it would be given.

    Args:
        label: class of the scan.
        target: class that ICAM translates it to.
    """
    return max(label, target)


def _find_networks(methods: Iterable[Any]) -> Iterable[nn.Module]:
    """Return the networks of methods, each once."""
    networks = [method if isinstance(method, nn.Module) else method.network for method in methods]
    return {id(network): network for network in networks}.values()
