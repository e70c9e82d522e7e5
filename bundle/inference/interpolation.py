"""Walks through the latent space: from one scan to another, or from a scan to a class."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.data import MetaTensor
from monai.networks.utils import eval_mode
from monai.transforms import Compose, Invertd
from torch import Tensor

from bundle.data.formats import strip_suffix
from bundle.data.headers import unpack_fields
from bundle.data.intensities import RestoreIntensitiesd
from bundle.files import announce, check_writable, write_nifti
from bundle.inference.datasets import load_scan
from bundle.inference.overview import save_strip
from bundle.inference.postprocessing import check_finite
from bundle.networks import ICAM


class Walk(NamedTuple):
    """Images on a line through the latent space.

    Attributes:
        images: intensities in [-1, 1], shape (S, 1, H, W[, D]).
        probabilities: of the classes at each step, shape (S, K).
    """

    images: Tensor
    probabilities: Tensor


def walk(network: ICAM, source: Tensor, target: Tensor | int | None, num_steps: int = 7, content: bool = False) -> Walk:
    """Move the attribute of a scan in a straight line to that of another scan, or to the mean attribute of a class.

    Source: Bass et al., NeurIPS 2020, Sec. 4.2 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network.
        source: scan to start from, intensities in [-1, 1], shape (1, H, W[, D]).
        target: another scan, or a class; None for the most likely class that is not the predicted one.
        num_steps: images of the walk, S, the first of which is the reconstructed source.
        content: whether the content moves as well; needs a scan as target.

    Raises:
        ValueError: When `num_steps` is below 2, the target is no class, or the content has no target.
    """
    if num_steps < 2:
        raise ValueError(f"num_steps must be at least 2, got {num_steps}")
    if content and not isinstance(target, Tensor):
        raise ValueError("content can be interpolated between two scans only: give target_scan")
    with eval_mode(network), torch.inference_mode():
        start = network.encode(source.unsqueeze(0))
        if isinstance(target, Tensor):
            end = network.encode(target.unsqueeze(0))
        else:
            if target is None:
                target = int(network.classify(start.mean).topk(2, dim=1).indices[0, 1])
            if target not in range(len(network.class_attributes)):
                raise ValueError(f"target must be a class, 0 to {len(network.class_attributes) - 1}, or null, got {target}")
            end = start._replace(mean=network.class_attributes[target : target + 1])
        shares = torch.linspace(0, 1, num_steps, device=source.device).view(-1, *[1] * source.ndim)
        attributes = torch.lerp(start.mean, end.mean, shares)  # (S, *latent_shape)
        contents = torch.lerp(start.content, end.content if content else start.content, shares)
        images = torch.cat([network.decode(*pair) for pair in zip(contents.split(1), attributes.split(1), strict=True)])
        return Walk(images, network.classify(attributes).softmax(dim=1))


class Interpolation:
    """Save a walk from a scan as NIfTI, one volume a step, on the scan's grid and in its intensities, and as a picture.

    Files are `NAME_interpolation.nii.gz`, of shape (H, W, D, S), and `NAME_interpolation.png`, NAME being the scan's name.

    Args:
        network: trained network.
        preprocessing: the network's preprocessing.
        output_dir: folder to write to.
        source_scan: scan to start from.
        target_scan: scan to walk to; None to walk to a class.
        target: class to walk to; None for the most likely one that is not the predicted one.
        num_steps: images of the walk.
        content: whether the content moves as well.
        device: where the network is.
    """

    def __init__(
        self,
        network: ICAM,
        preprocessing: Compose,
        output_dir: str | Path,
        source_scan: str | Path | None,
        target_scan: str | Path | None = None,
        target: int | None = None,
        num_steps: int = 7,
        content: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        self.network, self.preprocessing, self.output_dir, self.device = network, preprocessing, Path(output_dir), device
        self.source_scan, self.target_scan, self.target = source_scan, target_scan, target
        self.num_steps, self.content = num_steps, content

    def run(self) -> Walk:
        """Walk and save.

        Raises:
            OSError: When nothing can be written to the folder.
            ValueError: When `source_scan` is not given, or a scan is not what the network takes.
        """
        check_writable(self.output_dir)
        source = load_scan(self.source_scan, self.preprocessing)
        if source is None:
            raise ValueError("source_scan is null: give the scan to start from")
        other = load_scan(self.target_scan, self.preprocessing)
        target = self.target if other is None else other.as_tensor().to(self.device)
        result = walk(self.network, source.as_tensor().to(self.device), target, self.num_steps, self.content)
        check_finite(result._asdict(), str(self.source_scan))
        stem = f"{self.output_dir / strip_suffix(Path(str(self.source_scan)).name)}_interpolation"
        images = MetaTensor(result.images.cpu().clone().flatten(0, 1))  # (S, H, W[, D])
        item: dict[Hashable, Any] = RestoreIntensitiesd("walk")({"image": source, "walk": images})
        restored = Invertd("walk", self.preprocessing, "image", nearest_interp=False)(item)["walk"]
        array = restored.as_tensor().numpy()
        array = array.reshape(array.shape[0], *(*array.shape[1:], 1)[:3])
        write_nifti(f"{stem}.nii.gz", np.moveaxis(array, 0, -1), restored.affine.numpy(), unpack_fields(restored.meta))
        best = result.probabilities.max(dim=1)
        titles = [
            f"class {label}, probability {share:.2f}"
            for share, label in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]
        save_strip(MetaTensor(result.images, affine=source.affine), titles, f"{stem}.png")
        announce(self.output_dir, {
            Path(f"{stem}.nii.gz").name: "the walk, one volume a step", Path(f"{stem}.png").name: "its picture",
        })  # fmt: skip
        return result
