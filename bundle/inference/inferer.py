"""From a scan to its class and its feature attribution (FA) maps."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.inferers import Inferer
from monai.networks.utils import eval_mode
from torch import Tensor

from bundle.attribution import (
    EncodedScans,
    PriorSource,
    TestTimeAugmentation,
    describe_sampling,
    exemplar_maps,
    sampled_maps,
    value_maps,
)
from bundle.attribution.conformal import Intervals
from bundle.data.intensities import BACKGROUND
from bundle.data.scans import without_metadata
from bundle.networks import ICAM
from bundle.structures import Attributes

OLDEST = 120  # years


class ICAMInferer(Inferer):
    """Classify scans and explain them by translation to another class.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287).

    Args:
        num_samples: attributes drawn for each scan, over which the maps are averaged.
        target: class that all scans are translated to; None for the most likely class that is not the predicted one.
        threshold: class probability that a drawn attribute exceeds.
        reference: what is subtracted from the translated scan, its own "reconstruction" or the "input".
        exemplar: network input of a reference scan, shape (1, H, W[, D]), whose attribute gives a second map; None for none.
        intervals: calibrated intervals for the change of every voxel; None for none.
        preparation: how scans become network input, which must be that of the calibration.
        seed: seed of the draws.
        chunk_size: draws decoded at once, for each scan.
        mirror_axis: spatial axis along which scans are mirrored for further views; None for none.
        shift: voxels by which scans are shifted to and fro for further views; 0 for none.
        target_value: age in years that all scans are translated to as well, by a network with regression; None for none.
        value_mean: age that such a network regresses as 0, years.
        value_scale: years that it regresses as 1.

    Raises:
        ValueError: When `target_value` is no age.
    """

    def __init__(
        self,
        num_samples: int = 50,
        target: int | None = None,
        threshold: float = 0.5,
        reference: str = "reconstruction",
        exemplar: Tensor | None = None,
        intervals: Intervals | None = None,
        preparation: Mapping[str, Any] | None = None,
        seed: int = 0,
        chunk_size: int = 10,
        mirror_axis: int | None = None,
        shift: int = 0,
        target_value: float | None = None,
        value_mean: float = 0.0,
        value_scale: float = 1.0,
    ) -> None:
        super().__init__()
        _check_age(target_value)
        self.target = target
        self.exemplar = exemplar
        self.intervals, self.preparation = intervals, dict(preparation or {})
        self._checked: ICAM | None = None  # whose weights have been compared with the calibration's
        self.reference = reference
        self.target_value, self.value_mean, self.value_scale = target_value, value_mean, value_scale
        self.sampling: dict[str, Any] = {"num_samples": num_samples, "threshold": threshold, "seed": seed}
        self.chunk_size, self.augmentation = chunk_size, TestTimeAugmentation(mirror_axis, shift)

    def __call__(  # type: ignore[override]  # our network only
        self, inputs: Tensor, network: ICAM, *args: Any, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Explain a batch of scans.

        Args:
            inputs: scans, intensities in [-1, 1], shape (B, 1, H, W[, D]).
            network: trained network.
            args: unused.
            kwargs: unused.

        Returns:
            `probabilities` of the classes (B, K), `target` (B,), and images of the shape of `inputs`: `fa_mean`,
            `fa_variance`, `translated`, with intervals `fa_low` and `fa_high`, and with an exemplar `fa_exemplar`. With
            regression `predicted_age` (B,) in years, and with a target value `translated_age` (B,), `fa_value` and
            `translated_value`.

        Raises:
            ValueError: When the target is no class, a target value is given to a network without regression, or a setting is
                not what `sampled_maps` takes.
        """
        self.check(network)
        image = without_metadata(inputs)
        scans = EncodedScans(network, image, self.augmentation)
        target = self._choose_target(scans.probabilities)
        source = PriorSource(network, **self.sampling)
        attributes = {label: source.draw(label) for label in target.unique().tolist()}
        maps = sampled_maps(scans, target, attributes, self.chunk_size, self.reference)
        result = {
            "probabilities": scans.probabilities,
            "target": target,
            "fa_mean": maps.mean,
            "fa_variance": maps.variance,
            "translated": maps.translated,
        }
        if self.intervals is not None:
            result["fa_low"], result["fa_high"] = self.intervals.find(maps.mean, maps.variance, target, image > BACKGROUND)
        if self.exemplar is not None:
            result["fa_exemplar"] = self._explain_by_exemplar(scans)
        result |= self._explain_by_value(scans)
        return {key: value.clone() for key, value in result.items()}  # outside inference mode: ordinary tensors

    def check(self, network: ICAM) -> None:
        """Refuse settings that do not go with a network, before anything is computed.

        Args:
            network: trained network.

        Raises:
            ValueError: When the network has no classifier, the target is no class, a target value is given to a network without
                regression, there are no such views, or intervals are those of other maps.
        """
        self.augmentation.check(len(network.attribute_encoder.image_size))
        if network.attribute_encoder.classifier is None:
            raise ValueError("inference tells classes, and this network has no classifier: its config says classification: false")
        num_classes = len(network.class_attributes)
        if self.target is not None and self.target not in range(num_classes):
            raise ValueError(f"target must be a class, 0 to {num_classes - 1}, or null, got {self.target}")
        if self.target_value is not None and network.attribute_encoder.regressor is None:
            raise ValueError(
                f"target_value {self.target_value} needs a network with regression, and this one has none:"
                " accepted without it is null"
            )

        if self.intervals is not None and self._checked is not network:
            if self.reference != "reconstruction":
                raise ValueError(f"reference must be reconstruction for maps with intervals, got {self.reference}")
            targets = range(num_classes) if self.target is None else [self.target]
            source = PriorSource(network, **self.sampling)
            self.intervals.check(describe_sampling(source, self.augmentation, self.preparation), targets)
            self._checked = network

    def _choose_target(self, probabilities: Tensor) -> Tensor:
        """Return the class that each scan is translated to, shape (B,)."""
        if self.target is None:
            return probabilities.topk(2, dim=1).indices[:, 1]
        return torch.full_like(probabilities[:, 0], self.target, dtype=torch.long)

    def _explain_by_value(self, scans: EncodedScans) -> dict[str, Tensor]:
        """Return the regressed ages, and the maps that lead to the target value."""
        if scans.network.attribute_encoder.regressor is None:
            return {}
        ages = {"predicted_age": scans.values * self.value_scale + self.value_mean}
        if self.target_value is None:
            return ages
        value = torch.full_like(scans.values, (self.target_value - self.value_mean) / self.value_scale)
        maps = value_maps(scans, value, self.reference)
        with eval_mode(scans.network), torch.inference_mode():
            encoder = scans.network.attribute_encoder
            ages["translated_age"] = encoder.regress(encoder(maps.translated)[0]) * self.value_scale + self.value_mean
        return ages | {"fa_value": maps.mean, "translated_value": maps.translated}

    def _explain_by_exemplar(self, scans: EncodedScans) -> Tensor:
        """Return the maps that the reference scan's attribute gives."""
        exemplar, count = without_metadata(self.exemplar).unsqueeze(0).to(scans.image), len(scans.image)
        with eval_mode(scans.network), torch.inference_mode():
            attribute, _ = scans.network.attribute_encoder(exemplar)
            target = scans.network.classify(attribute).argmax(dim=1)
            other = self.augmentation.mirror(exemplar)
            mirrored = None if other is None else _repeat(scans.network.attribute_encoder(other)[0], count)
        attributes = Attributes(_repeat(attribute, count), mirrored)
        return exemplar_maps(scans, attributes, target.expand(count), self.reference).mean


def _repeat(attribute: Tensor, count: int) -> Tensor:
    """Return an attribute (1, *latent_shape) for each of `count` scans."""
    return attribute.expand(count, *attribute.shape[1:])


def _check_age(value: Any) -> None:
    """Refuse what is no age in years; None is no age to translate to, and accepted."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0 <= value <= OLDEST):
        raise ValueError(
            f"target_value must be an age, 0 to {OLDEST} years, given to a network with regression, or null, got {value!r}"
        )
