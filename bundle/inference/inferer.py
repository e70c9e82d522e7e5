"""From a scan to its class and its feature attribution (FA) maps."""

from typing import Any, NamedTuple

import torch
from monai.inferers import Inferer
from monai.networks.utils import eval_mode
from torch import Tensor

from bundle.attribution import (
    NO_AUGMENTATION,
    EncodedScans,
    PriorSource,
    TestTimeAugmentation,
    describe_sampling,
    encode_attributes,
    exemplar_maps,
    sampled_maps,
    value_maps,
)
from bundle.attribution.conformal import ConformalIntervals
from bundle.attribution.sources import check_whole
from bundle.attribution.typicality import find_typicality, knows_cohort
from bundle.data.intensities import BACKGROUND
from bundle.data.scans import without_metadata
from bundle.inference.interpolation import walk
from bundle.networks import ICAM
from bundle.structures import Attributes

OLDEST = 120  # years


class AgeRegression(NamedTuple):
    """The age that a network with regression predicts, and that scans are translated to.

    Attributes:
        target: age in years that all scans are translated to; None for none.
        mean: age that is regressed as 0, years.
        scale: years that are regressed as 1.
    """

    target: float | None = None
    mean: float = 0.0
    scale: float = 1.0

    def check(self) -> None:
        """Refuse a target that is no age.

        Raises:
            ValueError: When it is none.
        """
        number = isinstance(self.target, int | float) and not isinstance(self.target, bool)
        if self.target is not None and not (number and 0 <= self.target <= OLDEST):
            raise ValueError(
                f"target_value must be an age, 0 to {OLDEST} years, given to a network with regression, or null,"
                f" got {self.target!r}"
            )


NO_TARGET = AgeRegression()


class ICAMInferer(Inferer):
    """Classify scans and explain them by translation to another class.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287).

    Args:
        source: source of the attributes of sampled maps, for the network that explains.
        target: class that all scans are translated to; None for the most likely class that is not the predicted one.
        reference: what is subtracted from the translated scan, its own "reconstruction" or the "input".
        augmentation: views of the scans, over which maps are averaged.
        chunk_size: attributes decoded at once, for each scan.
        exemplar: network input of a reference scan, shape (1, H, W[, D]), whose attribute gives a second map; None for none.
        intervals: conformal intervals for the change of every voxel; None for none.
        regression: age that a network with regression predicts, and that scans are translated to as well.
        shown_draws: maps of so many first draws are given one by one as well.
        steps: images of the walk of a scan to the mean attribute of its target class, and of that to the target age; 0 for none.

    Raises:
        ValueError: When the target of the regression is no age, or `shown_draws` or `steps` is no such number.
    """

    def __init__(
        self,
        source: PriorSource,
        target: int | None = None,
        reference: str = "reconstruction",
        augmentation: TestTimeAugmentation = NO_AUGMENTATION,
        chunk_size: int = 10,
        exemplar: Tensor | None = None,
        intervals: ConformalIntervals | None = None,
        regression: AgeRegression = NO_TARGET,
        shown_draws: int = 0,
        steps: int = 0,
    ) -> None:
        super().__init__()
        regression.check()
        check_whole("shown_draws", shown_draws, 0)
        check_whole("steps", steps, 0)
        if steps == 1:
            raise ValueError("steps must be 0 or at least 2, got 1")
        self.source, self.target, self.reference = source, target, reference
        self.augmentation, self.chunk_size = augmentation, chunk_size
        self.exemplar, self.intervals, self.regression = exemplar, intervals, regression
        self.shown_draws, self.steps = shown_draws, steps
        self._checked: ICAM | None = None  # whose weights have been compared with those of the intervals

    def __call__(  # type: ignore[override]  # our network only
        self, inputs: Tensor, network: ICAM, *args: Any, **kwargs: Any
    ) -> dict[str, Tensor]:
        """Explain a batch of scans.

        Args:
            inputs: scans, intensities in [-1, 1], shape (B, 1, H, W[, D]).
            network: trained network, that of the attribute source.
            args: not used.
            kwargs: not used.

        Returns:
            `probabilities` of the classes (B, K), `target` (B,), and images of the shape of `inputs`: `fa_mean`,
            `fa_variance`, `translated`, with intervals `fa_low` and `fa_high`, and with an exemplar `fa_exemplar`. From a
            network that knows its training scans `typicality`, a p-value, and `untypical_part`, its reason, (B,). With
            regression `predicted_age` (B,) in years, and with a target age `translated_age` (B,), `fa_value` and
            `translated_value`. With `shown_draws`, N maps `fa_draws` (B, N, H, W[, D]); with `steps`, S images of the walk to the
            target class `translated_steps` (B, S, H, W[, D]), and of that to the target age `translated_value_steps`.

        Raises:
            ValueError: When the settings do not fit the network, see `check`, or there are fewer than 2 attributes.
        """
        self.check(network)
        scans = EncodedScans(network, without_metadata(inputs), self.augmentation)
        target = self._choose_target(scans.probabilities)
        attributes = {label: self.source.draw(label) for label in target.unique().tolist()}
        maps = sampled_maps(scans, target, attributes, self.chunk_size, self.reference, self.shown_draws)
        result = {
            "probabilities": scans.probabilities,
            "target": target,
            "fa_mean": maps.mean,
            "fa_variance": maps.variance,
            "translated": maps.translated,
        }
        if maps.draws is not None:
            result["fa_draws"] = maps.draws[:, :, 0].transpose(0, 1)
        if self.steps:
            walks = [walk(network, scan, int(label), self.steps).images for scan, label in zip(scans.image, target, strict=True)]
            result["translated_steps"] = torch.stack(walks)[:, :, 0]
        if self.intervals is not None:
            brain = scans.image > BACKGROUND
            result["fa_low"], result["fa_high"] = self.intervals.find(maps.mean, maps.variance, target, brain)
        if self.exemplar is not None:
            result["fa_exemplar"] = self._explain_by_exemplar(scans)
        if knows_cohort(network):
            result["typicality"], result["untypical_part"] = find_typicality(scans)
        if network.attribute_encoder.regressor is not None:
            result |= self._explain_by_age(scans)
        return {key: value.clone() for key, value in result.items()}  # outside inference mode: ordinary tensors

    def list_outputs(self, network: ICAM) -> list[str]:
        """Return the names of the images and numbers that a scan is given, in this order.

        Args:
            network: trained network.
        """
        names = ["fa_mean", "fa_variance", "translated"]
        names += ["fa_low", "fa_high"] * (self.intervals is not None) + ["fa_exemplar"] * (self.exemplar is not None)
        names += ["typicality"] * knows_cohort(network)
        if network.attribute_encoder.regressor is not None:
            names.append("predicted_age")
            names += ["translated_age", "fa_value", "translated_value"] * (self.regression.target is not None)
            names += ["translated_value_steps"] * (self.regression.target is not None and self.steps > 0)
        return names + ["fa_draws"] * (self.shown_draws > 0) + ["translated_steps"] * (self.steps > 0)

    def check(self, network: ICAM) -> None:
        """Refuse settings that do not fit a network, before anything is computed.

        Args:
            network: trained network.

        Raises:
            ValueError: When the network has no classifier, the target is no class, a target age is given to a network without
                regression, there are no such views, numbers are too small, or intervals are those of other maps.
        """
        self.augmentation.check(len(network.attribute_encoder.image_size))
        check_whole("chunk_size", self.chunk_size, 1)
        if network.attribute_encoder.classifier is None:
            raise ValueError("inference predicts classes, and this network has no classifier (classification is false)")
        num_classes = len(network.class_attributes)
        if self.target is not None and self.target not in range(num_classes):
            raise ValueError(f"target must be a class, 0 to {num_classes - 1}, or null, got {self.target}")
        if self.regression.target is not None and network.attribute_encoder.regressor is None:
            raise ValueError(
                f"target_value {self.regression.target} needs a network with regression, and this one has none:"
                " accepted without it is null"
            )
        if self.intervals is not None and self._checked is not network:
            if self.reference != "reconstruction":
                raise ValueError(f"reference must be reconstruction for maps with intervals, got {self.reference}")
            origin = describe_sampling(self.source, self.augmentation, self.intervals.preprocessing)
            self.intervals.check(origin, range(num_classes) if self.target is None else [self.target])
            self._checked = network

    def _choose_target(self, probabilities: Tensor) -> Tensor:
        """Return the class that each scan is translated to, shape (B,)."""
        if self.target is None:
            return probabilities.topk(2, dim=1).indices[:, 1]
        return torch.full_like(probabilities[:, 0], self.target, dtype=torch.long)

    def _explain_by_exemplar(self, scans: EncodedScans) -> Tensor:
        """Return the maps with the attribute of the reference scan."""
        reference = [{"image": self.exemplar}]
        encoded = encode_attributes(scans.network, reference, [0], scans.image.device, augmentation=self.augmentation)
        mirrored = None if encoded.mirrored is None else encoded.mirrored.expand(scans.attribute.shape)
        attributes = Attributes(encoded.values.expand(scans.attribute.shape), mirrored)
        with torch.inference_mode():
            target = scans.network.classify(attributes.values).argmax(dim=1)
        return exemplar_maps(scans, attributes, target, self.reference).mean

    def _explain_by_age(self, scans: EncodedScans) -> dict[str, Tensor]:
        """Return the predicted ages, and the maps that lead to the target age."""
        target, mean, scale = self.regression
        ages = {"predicted_age": scans.values * scale + mean}
        if target is None:
            return ages
        wanted = torch.full_like(scans.values, (target - mean) / scale)
        maps = value_maps(scans, wanted, self.reference)
        encoder = scans.network.attribute_encoder
        with eval_mode(encoder), torch.inference_mode():
            ages["translated_age"] = encoder.regress(encoder(maps.translated)[0]) * scale + mean
        if self.steps:
            values = [torch.lerp(scans.values, wanted, share) for share in torch.linspace(0, 1, self.steps).tolist()[:-1]]
            walked = [*(value_maps(scans, value, self.reference).translated for value in values), maps.translated]
            ages["translated_value_steps"] = torch.cat(walked, dim=1)
        return ages | {"fa_value": maps.mean, "translated_value": maps.translated}
