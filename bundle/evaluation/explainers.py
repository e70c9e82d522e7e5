"""Methods that explain test scans: what they have in common, and ICAM and its relatives."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from bundle.attribution import (
    NO_AUGMENTATION,
    AttributeSource,
    EncodedScans,
    TestTimeAugmentation,
    choose_source,
    encode_attributes,
    exemplar_maps,
    interpolate,
    sampled_maps,
)
from bundle.checkpoints import hash_weights
from bundle.evaluation.encodings import Encodings, encode_images
from bundle.evaluation.split import Split
from bundle.networks import ICAM
from bundle.ranks import share_work
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


class Explainer(ABC):
    """A method, or several that explain one network, on the test split.

    Attributes:
        split: the test scans and their reference scans.
        networks: networks whose weights the maps depend on.
        translating: name of the method that translates scans; None when there is none.
    """

    split: Split
    networks: list[nn.Module]
    translating: str | None = None

    def explains(self, source: int, target: int) -> bool:
        """Return whether there are maps of scans of class `source` towards class `target`."""
        return source != target

    @abstractmethod
    def encode(self) -> Encodings:
        """Return what the networks compute of all test scans."""

    @abstractmethod
    def make_maps(self, indices: Sequence[int], target: int, attribute: Tensor | None = None) -> dict[str, Tensor]:
        """Explain some test scans towards a class.

        Args:
            indices: positions in the test split, none of class `target`.
            target: class to translate to.
            attribute: attribute means of all test scans, from `encode`; None encodes and draws all attributes anew, with the
                weights that the networks have now. Methods without attributes do not need them.

        Returns:
            Maps by method, on the CPU, each (B, C, H, W[, D]).
        """

    def make_maps_and_variance(
        self, indices: Sequence[int], target: int, attribute: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return what `make_maps` does, and the variance of sampled maps, of the same shape; None where none are drawn."""
        return self.make_maps(indices, target, attribute), None

    def translate(self, indices: Sequence[int], target: int) -> Counterfactuals:
        """Translate some test scans to a class; arguments as of `make_maps`.

        Raises:
            NotImplementedError: When the method is not `translating`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not translate scans")

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Return what decides the maps, for `settings.json`."""

    def list_gaps(self) -> list[str]:
        """Return a sentence for all that the networks do not allow to be computed."""
        return []


class TranslatingExplainer(Explainer):
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

    translating = "exemplar_input"  # the method whose map is the translated scan minus the scan

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
        augmentation.check(len(network.attribute_encoder.image_size))
        self.network, self.split, self.device = network.to(device), split, device
        self.networks: list[nn.Module] = [self.network]
        self.sources, self.attribute_source = sources, attribute_source
        self.augmentation, self.chunk_size = augmentation, chunk_size
        self.num_samples = choose_source(sources, attribute_source).num_samples

    def encode(self) -> Encodings:
        """Return the latents of all test scans."""
        batches = list(self.split.batches(range(len(self.split))))
        parts = share_work(batches, lambda batch: encode_images(self.network, [self.split.stack(batch)], self.device), "encoding")
        return Encodings(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def encode_batch(self, indices: Sequence[int], split: Split | None = None) -> EncodedScans:
        """Return some scans of the test split, or of another one, encoded in every view."""
        split = self.split if split is None else split
        image, labels = split.stack(indices).to(self.device), torch.from_numpy(split.labels[indices])
        return EncodedScans(self.network, image, self.augmentation, labels)

    def find_exemplars(self, indices: Sequence[int], attribute: Tensor | None = None) -> Attributes:
        """Return the attributes of some test scans; `attribute` has the means of all of them, None encodes these anew."""
        if attribute is not None and self.augmentation.mirror_axis is None:
            return Attributes(attribute[indices].to(self.device))
        settings = self.device, self.split.batch_size, self.augmentation
        encoded = encode_attributes(self.network, self.split.dataset, indices, *settings)
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
        return self.make_maps_and_variance(indices, target, attribute)[0]

    def make_maps_and_variance(
        self, indices: Sequence[int], target: int, attribute: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return the maps of `make_maps`, and the variance of the sampled ones."""
        scans, exemplar, sampled = self.explain(indices, target, attribute)
        maps = {
            "exemplar_reconstruction": exemplar.mean,
            "exemplar_input": exemplar.translated - scans.image,
            "sampled_reconstruction": sampled.mean,
            "sampled_input": sampled.translated - scans.image,
        }
        return {method: images.cpu() for method, images in maps.items()}, sampled.variance.cpu()

    def interpolate(self, index: int, target: int, attribute: Tensor, num_steps: int) -> Tensor:
        """Return a test scan while its attribute moves to that of its reference scan, shape (num_steps, C, H, W[, D])."""
        start, end = (attribute[[i]].to(self.device) for i in (index, self.split.references[index][target]))
        labels = torch.tensor([self.split.labels[index]]), torch.tensor([target])
        return interpolate(self.network, self.split.stack([index]).to(self.device), start, end, num_steps, labels)[0].cpu()

    def translate(self, indices: Sequence[int], target: int) -> Counterfactuals:
        """Translate some test scans with the attributes of their reference scans, in one view, as `Explainer.translate`."""
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
        source = self.sources["prior"]
        sampling = {name: getattr(source, name) for name in ("num_samples", "threshold", "seed")}
        return {
            "weights": f"SHA-256 {hash_weights(self.network)}",
            "maps": sampling | {"chunk_size": self.chunk_size} | self.augmentation._asdict(),
            "attribute_source": self.attribute_source,
        }

    def list_gaps(self) -> list[str]:
        """Return a sentence when the network has no classifier."""
        return (
            []
            if self.network.attribute_encoder.classifier is not None
            else ["the network has no classifier: no accuracy, and no pages of scans"]
        )
