"""VA-GAN: an additive map that makes a diseased scan look healthy."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.engines import Evaluator
from monai.networks.utils import eval_mode
from monai.utils.enums import CommonKeys
from torch import Tensor, nn
from torch.utils.data import DataLoader

from bundle.data.scans import without_metadata
from bundle.training.translation import pair_classes
from bundle.training.validator import true_change


class VAGAN(nn.Module):
    """Explain scans of one class by the smallest change that makes them look like scans of another one.

    Source: Baumgartner et al., CVPR 2018, Sec. 3 (https://arxiv.org/abs/1711.08998).

    Args:
        mapper: network from scans to maps, M, such as a U-Net.
        source: class of the scans that are explained.
        target: class that they are to look like.
    """

    def __init__(self, mapper: nn.Module, source: int = 1, target: int = 0) -> None:
        super().__init__()
        self.mapper = mapper
        self.source, self.target = source, target

    def forward(self, image: Tensor) -> Tensor:
        """Return the maps of scans of shape (B, C, H, W[, D]), same shape."""
        return self.mapper(image)

    def translate(self, image: Tensor) -> Tensor:
        """Return scans with their maps added, same shape."""
        return image + self(image)

    def attribute(self, image: Tensor, target: Tensor) -> Tensor:
        """Explain scans of the source class by the change that makes them look like the target class.

        Args:
            image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
            target: class that is explained, shape (B,): the source class.

        Returns:
            Maps, signed, of the shape of `image`.

        Raises:
            ValueError: When `target` has another class.
        """
        if bool((target != self.source).any()):
            raise ValueError(f"VA-GAN explains class {self.source} alone, got {target.unique().tolist()}")
        with eval_mode(self), torch.inference_mode():
            return self(image)


class VAGANValidator(Evaluator):
    """Compare the maps of held-out scans of the source class with the truth.

    Its output has the keys `label` (B,), `pred` (the map), `image` and `truth` (same shape) of those scans.

    Args:
        device: where to compute.
        val_data_loader: class-balanced batches, sorted by class, with the keys that `true_change` reads.
        network: network to validate.
        **kwargs: further arguments of `monai.engines.Evaluator`.
    """

    def __init__(self, device: torch.device | str, val_data_loader: DataLoader, network: VAGAN, **kwargs: Any) -> None:
        super().__init__(device, val_data_loader, decollate=False, **kwargs)
        self.network = network

    def _iteration(self, engine: "VAGANValidator", batchdata: Mapping[str, Tensor]) -> dict[str, Tensor]:
        known = ("image", "label", "mask", "parcel_map", "disease_map")
        batch = {key: without_metadata(batchdata[key]).to(engine.state.device) for key in known if key in batchdata}
        labels = batch["label"]
        explained = labels == engine.network.source
        truth = true_change(batch, pair_classes(labels, shift=1))
        image = batch["image"][explained]
        return {
            CommonKeys.LABEL: labels[explained],
            CommonKeys.PRED: engine.network.attribute(image, labels[explained]),
            CommonKeys.IMAGE: image,
            "truth": truth[explained],
        }
