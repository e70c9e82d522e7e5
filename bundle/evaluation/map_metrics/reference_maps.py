"""Maps that a network's are compared with: trivial ones, and the exact change."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from bundle.data.intensities import BACKGROUND
from bundle.evaluation.known_scans import Scan


def trivial_maps(
    image: Tensor, class_mean: Tensor, random_scan: Tensor, reference: Tensor, seed: Sequence[int]
) -> dict[str, Tensor]:
    """Return maps that take no learning, by method; a trained network means something only above them.

    They are the intensity above the background, differences from the mean and a random training scan of the target class and
    from the reference scan, and white noise; all images have the shape (C, H, W[, D]).
    """
    noise = np.random.default_rng(seed).standard_normal(tuple(image.shape), dtype=np.float32)
    return {
        "image": image - BACKGROUND,
        "image_minus_mean": image - class_mean,
        "image_minus_random": image - random_scan,
        "image_minus_reference": image - reference,
        "noise": torch.from_numpy(noise),
    }


def oracle_maps(scan: Scan, reference: Scan, frequencies: Mapping[int, float]) -> dict[str, Tensor]:
    """Return the exact change of the scan as maps; empty where it is not known.

    `oracle` is the change that an exemplar map should show, `oracle_expected` that of a sampled map, from how often each parcel
    is lesioned in the target class. They are ceilings where the truth lies on the scan's own anatomy. Under the paper's NCC(+) it
    does not: there a blurred map, or one that copies where the reference's lesions lie, can score more.
    """
    removing = reference.label == 0
    change = scan.change_like(scan if removing else reference)
    expected = change if removing else scan.expect_change(frequencies)
    return {} if change is None or expected is None else {"oracle": change, "oracle_expected": expected}
