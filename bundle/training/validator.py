"""Validation engine of ICAM: classification and exemplar maps of held-out scans."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.engines import SupervisedEvaluator
from monai.utils.enums import CommonKeys
from torch import Tensor
from torch.utils.data import DataLoader

from bundle.attribution import EncodedScans, exemplar_maps
from bundle.attribution.augmentation import View
from bundle.data.parcels import lesioned_parcels, select_parcels
from bundle.data.scans import without_metadata
from bundle.networks import ICAM
from bundle.structures import Attributes
from bundle.training.translation import pair_classes


class ICAMValidator(SupervisedEvaluator):
    """Translate each held-out scan with the attribute of a scan of the next class, and compare the map with the truth.

    Its output has the keys `logits` (B, K), or (B, 0) from a network without a classifier, `label` (B,), `pred` (the map),
    `mirrored` (the map of the mirrored scan, mirrored back), `image`, `truth` (same shape as the image; constant, hence without
    NCC, where the cohort has no truth), `value` and `predicted_value` (B,), both zero without regression.

    Args:
        device: where to compute.
        val_data_loader: class-balanced batches, sorted by class, with keys `image`, `label` and, where known, `disease_map`, or
            `mask` and `parcel_map`, and `value`.
        network: network to validate.
        reference: what is subtracted from the translated scan, "reconstruction" or "input".
        mirror_axis: spatial axis along which scans are mirrored, 0 for left to right.
        **kwargs: further arguments of `monai.engines.SupervisedEvaluator`, as which MONAI FL knows it.
    """

    def __init__(
        self,
        device: torch.device | str,
        val_data_loader: DataLoader,
        network: ICAM,
        reference: str = "reconstruction",
        mirror_axis: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(device, val_data_loader, network, decollate=False, **kwargs)
        self.reference, self.mirror = reference, View((2 + mirror_axis,), ())

    def _iteration(self, engine: "ICAMValidator", batchdata: Mapping[str, Tensor]) -> dict[str, Tensor]:
        batch = {
            key: without_metadata(batchdata[key]).to(engine.state.device)
            for key in ("image", "label", "mask", "parcel_map", "disease_map", "value")
            if key in batchdata
        }
        image, labels = batch["image"], batch["label"]
        partner = pair_classes(labels, shift=1)
        with torch.inference_mode(), torch.autocast(engine.state.device.type, enabled=engine.amp):
            network, views = engine.network.eval(), (image, self.mirror.apply(image))
            scans, mirrored = (EncodedScans(network, view, labels=labels) for view in views)
            maps, mirrored_maps = (
                exemplar_maps(each, Attributes(each.attribute[partner]), labels[partner], engine.reference)
                for each in (scans, mirrored)
            )
            encoder = engine.network.attribute_encoder
            logits = image.new_zeros(len(image), 0) if encoder.classifier is None else encoder.classify(scans.attribute)
            values = batch.get("value", image.new_zeros(len(image)))
            predicted = scans.values if encoder.regressor is not None and "value" in batch else values
        return {
            "logits": logits.float(),
            CommonKeys.LABEL: labels,
            CommonKeys.PRED: maps.mean.float(),
            "mirrored": self.mirror.undo(mirrored_maps.mean.float()),
            CommonKeys.IMAGE: image,
            "truth": true_change(batch, partner),
            "value": values.float(),
            "predicted_value": predicted.float(),
        }


def true_change(batch: Mapping[str, Tensor], partner: Tensor) -> Tensor:
    """Return where translation should change each scan; zero where the cohort has no truth.

    What disease changes in a scan itself, its `disease_map`, comes first. Else a scan with a lesion mask loses its lesions, and a
    scan without one gains those of its partner: in the partner's parcels on the scan's own anatomy where there is a `parcel_map`,
    else in the partner's mask (the paper's protocol).

    Args:
        batch: `image` and, where known, `disease_map`, `mask` and `parcel_map`, each (B, 1, H, W[, D]).
        partner: index of the reference scan, shape (B,).

    Returns:
        Mask, or change of intensity, of shape (B, 1, H, W[, D]).
    """
    if "disease_map" in batch or "mask" not in batch:
        return batch.get("disease_map", torch.zeros_like(batch["image"]))
    mask = batch["mask"]
    gained = mask[partner].clone()
    if "parcel_map" in batch:
        parcels = batch["parcel_map"]
        for row, other in enumerate(partner.tolist()):
            lesioned = lesioned_parcels({"mask": mask[other], "parcel_map": parcels[other]})
            gained[row] = select_parcels(parcels[row], lesioned)
    diseased = mask.flatten(1).amax(1) > 0
    return torch.where(diseased.view(-1, *[1] * (mask.ndim - 1)), mask, gained)


def direction(label: int) -> Any:
    """Return an output transform that keeps maps and truth of the scans of one class, for metrics by direction.

    Args:
        label: class of the scans: 1 for NCC(-), 0 for NCC(+).

    Returns:
        A function from the validator's output to (maps, truth).
    """

    def keep(output: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        rows = output[CommonKeys.LABEL] == label
        return output[CommonKeys.PRED][rows], output["truth"][rows]

    return keep
