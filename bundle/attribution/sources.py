"""Attributes of a class: drawn from its distribution or from the prior, or those of training scans."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Self, TypeVar

import torch
from monai.data import Dataset
from monai.networks.utils import eval_mode

from bundle.attribution.augmentation import NO_AUGMENTATION, TestTimeAugmentation
from bundle.checkpoints import hash_weights
from bundle.data.scans import without_metadata
from bundle.networks import ICAM
from bundle.sampling import draw_latents
from bundle.structures import Attributes

Source = TypeVar("Source", bound="AttributeSource")


class AttributeSource(ABC):
    """A way to draw attributes of a class. Draws depend on the seed and the class alone, and are kept.

    Args:
        network: trained network.
        num_samples: number of draws, N, at least 2, for a variance.
        seed: seed of the draws.

    Raises:
        ValueError: When one of the numbers is none that can be drawn with.
    """

    def __init__(self, network: ICAM, num_samples: int = 50, seed: int = 0) -> None:
        check_whole("num_samples", num_samples, 2)
        check_whole("seed", seed, 0)
        self.network, self.num_samples, self.seed = network, num_samples, seed
        self._drawn: dict[int, Attributes] = {}

    def draw(self, label: int) -> Attributes:
        """Return N attributes of a class.

        Args:
            label: the class.

        Raises:
            ValueError: When the class cannot be drawn.
        """
        if label not in self._drawn:
            self._drawn[label] = self._draw(label, torch.Generator().manual_seed(self.seed + label))
        return self._drawn[label]

    def check(self) -> None:  # noqa: B027  # most sources take every network
        """Refuse a network that has no such attributes.

        Raises:
            ValueError: When it has none.
        """

    def fresh(self) -> Self:
        """Return a source that draws anew, for a network whose weights have changed."""
        source = copy(self)
        source._drawn = {}
        return source

    @abstractmethod
    def _draw(self, label: int, generator: torch.Generator) -> Attributes:
        """Draw N attributes of a class."""


class PriorSource(AttributeSource):
    """Attributes drawn from N(0, I), given the class that the latent classifier predicts from them.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network.
        num_samples: number of draws, N.
        threshold: class probability that a draw exceeds.
        seed: seed of the draws.
    """

    fitted = False  # whether draws are from distributions that were fitted to the cohort

    def __init__(self, network: ICAM, num_samples: int = 50, threshold: float = 0.5, seed: int = 0) -> None:
        super().__init__(network, num_samples, seed)
        self.threshold = threshold

    def _draw(self, label: int, generator: torch.Generator) -> Attributes:
        target = torch.tensor([label])
        return Attributes(draw_latents(self.network, target, self.num_samples, self.threshold, generator, self.fitted)[0])


class MixtureSource(PriorSource):
    """Attributes drawn from the network's distribution of a class, given that the latent classifier predicts the class.

    Its arguments are those of `PriorSource`.

    Source: Ghosh et al., ICLR 2020, Sec. 4 (https://arxiv.org/abs/1903.12436).
    """

    fitted = True

    def check(self) -> None:
        """Refuse a network without distributions, as `AttributeSource.check`."""
        if self.network.distributions is None:
            raise ValueError("the network has no distributions of its classes (num_components: 0): give attribute_source prior")


class TrainingSource(AttributeSource):
    """Attribute means of training scans of the class, drawn without replacement as far as there are enough of them.

    Attributes of scans do not fill the half-space of their class in the prior; these are draws from the aggregate posterior.

    Source: Tomczak and Welling, AISTATS 2018 (https://arxiv.org/abs/1705.07120).

    Args:
        network: trained network, on `device`.
        dataset: scans of the training split, transformed; its `data` are the entries of the data list.
        num_samples: number of draws, N.
        seed: seed of the draws.
        device: where to compute.
        batch_size: scans encoded at once.
        augmentation: with a `mirror_axis`, the mirrored scans are encoded too.
    """

    def __init__(
        self,
        network: ICAM,
        dataset: Dataset,
        num_samples: int = 50,
        seed: int = 0,
        device: torch.device | str = "cpu",
        batch_size: int = 8,
        augmentation: TestTimeAugmentation = NO_AUGMENTATION,
    ) -> None:
        super().__init__(network, num_samples, seed)
        self.dataset, self.device, self.batch_size, self.augmentation = dataset, device, batch_size, augmentation

    def _draw(self, label: int, generator: torch.Generator) -> Attributes:
        members = torch.tensor([i for i, row in enumerate(self.dataset.data) if int(row["label"]) == label])
        if not len(members):
            raise ValueError(f"the training split has no scan of class {label}, whose attributes the source training draws")
        rounds = -(-self.num_samples // len(members))
        order = torch.cat([torch.randperm(len(members), generator=generator) for _ in range(rounds)])[: self.num_samples]
        chosen = members[order].tolist()
        return encode_attributes(self.network, self.dataset, chosen, self.device, self.batch_size, self.augmentation)


def choose_source(sources: Mapping[str, Source], name: str) -> Source:
    """Return the source of attributes of a name, which is checked.

    Args:
        sources: ways to draw attributes of a class, by name.
        name: that of the wanted one.

    Raises:
        ValueError: When there is none of this name, or the network has no such attributes.
    """
    if name not in sources:
        raise ValueError(f"attribute_source must be one of {', '.join(sources)}, got {name!r}")
    sources[name].check()
    return sources[name]


def check_whole(name: str, value: Any, least: int) -> None:
    """Refuse a setting that is no whole number, or too small.

    Args:
        name: key of the setting, for the message.
        value: what it was set to.
        least: smallest accepted number.

    Raises:
        ValueError: When it is refused.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")


def encode_attributes(
    network: ICAM,
    dataset: Dataset | Sequence[Mapping[str, Any]],
    indices: Sequence[int],
    device: torch.device | str = "cpu",
    batch_size: int = 8,
    augmentation: TestTimeAugmentation = NO_AUGMENTATION,
) -> Attributes:
    """Return the attribute means of some scans, on `device`.

    Args:
        network: trained network.
        dataset: items with `image`, intensities in [-1, 1], shape (C, H, W[, D]).
        indices: positions of the scans.
        device: where to compute.
        batch_size: scans encoded at once.
        augmentation: with a `mirror_axis`, the mirrored scans are encoded too.
    """
    values, mirrored = [], []
    with eval_mode(network), torch.inference_mode():
        for start in range(0, len(indices), batch_size):
            scans = [without_metadata(dataset[i]["image"]).float() for i in indices[start : start + batch_size]]
            image = torch.stack(scans).to(device)
            values.append(network.attribute_encoder(image)[0])
            if (other := augmentation.mirror(image)) is not None:
                mirrored.append(network.attribute_encoder(other)[0])
    return Attributes(torch.cat(values), torch.cat(mirrored) if mirrored else None)


def describe_sampling(
    source: PriorSource, augmentation: TestTimeAugmentation, preprocessing: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what decides the sampled maps of a scan.

    Args:
        source: source of the attributes.
        augmentation: views of the scans.
        preprocessing: how scans become network input: grid and intensities.
    """
    settings = {"source": type(source).__name__} | {name: getattr(source, name) for name in ("num_samples", "threshold", "seed")}
    return {"weights": f"SHA-256 {hash_weights(source.network)}", **settings, **augmentation._asdict(), **preprocessing}
