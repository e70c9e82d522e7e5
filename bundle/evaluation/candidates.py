"""The maps that are compared: those of the network, trivial ones, and the exact change.

A method's name says what it is; its kind says which truth it is compared with (see `truths.Truth`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bundle.attribution import exemplar_maps, sampled_maps
from bundle.attribution.augmentation import ONE_VIEW, Viewing
from bundle.data.intensities import BACKGROUND
from bundle.evaluation.pairing import Row
from bundle.evaluation.truths import change_like, expect_change, knows_effect, knows_parcels
from bundle.networks import ICAM

KINDS = {
    "exemplar_reconstruction": "exemplar",
    "exemplar_input": "exemplar",
    "sampled_reconstruction": "sampled",
    "sampled_input": "sampled",
    "longitudinal": "exemplar",
    "to_age": "exemplar",
    "oracle": "exemplar",
    "oracle_expected": "sampled",
    "image": "both",
    "image_minus_mean": "both",
    "image_minus_random": "both",
    "image_minus_reference": "both",
    "noise": "both",
}
NETWORK_METHODS = ("exemplar_reconstruction", "exemplar_input", "sampled_reconstruction", "sampled_input")
OWN_METHODS = ("longitudinal", "to_age")  # maps of the network as well, that take a scan or an age of the same participant
TRIVIAL_METHODS = ("image", "image_minus_mean", "image_minus_random", "image_minus_reference", "noise")
ORACLES = ("oracle", "oracle_expected")


def find_kind(method: str) -> str:
    """Return the kind of a map: that of `KINDS`, else "both", as of post-hoc methods, which borrow no attribute."""
    return KINDS.get(method, "both")


def network_maps(
    network: ICAM,
    image: Tensor,
    attribute: Tensor,
    target: Tensor,
    num_samples: int = 50,
    threshold: float = 0.5,
    seed: int = 0,
    chunk_size: int = 10,
    viewing: Viewing = ONE_VIEW,
    attributes: Mapping[int, Tensor] | None = None,
    mirrored: Tensor | None = None,
    mirrored_attributes: Mapping[int, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Compute the FA maps of a batch, against its own reconstruction and against the input.

    Source: Bass et al., NeurIPS 2020, Sec. 3.2 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network.
        image: scans, intensities in [-1, 1], shape (B, C, H, W[, D]).
        attribute: attribute means of the reference scans, shape (B, 1, H/16, W/16[, D/16]).
        target: classes of the reference scans, shape (B,).
        num_samples: draws of a sampled map.
        threshold: class probability that a draw exceeds.
        seed: seed of the draws.
        chunk_size: draws decoded at once.
        viewing: in which views scans are translated.
        attributes: what is given to sampled maps instead of draws, by class; None draws.
        mirrored: attribute means of the mirrored reference scans, for mirrored views; None for the same.
        mirrored_attributes: what is given to sampled maps in mirrored views, by class; None for the same.

    Returns:
        Maps by method, each of the shape of `image`.
    """
    exemplar = exemplar_maps(network, image, attribute, target, viewing=viewing, mirrored=mirrored)
    drawing = (num_samples, threshold, seed, chunk_size)
    sides: dict[str, Any] = {"attributes": attributes, "mirrored": mirrored_attributes}
    sampled = sampled_maps(network, image, target, *drawing, viewing=viewing, **sides)
    return {
        "exemplar_reconstruction": exemplar.mean,
        "exemplar_input": exemplar.translated - image,
        "sampled_reconstruction": sampled.mean,
        "sampled_input": sampled.translated - image,
    }


def trivial_maps(
    image: Tensor, class_mean: Tensor, random_scan: Tensor, reference: Tensor, seed: Sequence[int]
) -> dict[str, Tensor]:
    """Compute maps that take no learning; a trained network means something only above them.

    Args:
        image: a scan, intensities in [-1, 1], shape (C, H, W[, D]).
        class_mean: mean training scan of the target class, same shape.
        random_scan: a training scan of the target class, same shape.
        reference: the reference scan whose attribute the exemplar map borrows, same shape.
        seed: seed of the noise.

    Returns:
        Maps by method: the intensity above the background, differences, and white noise.
    """
    noise = np.random.default_rng(seed).standard_normal(tuple(image.shape), dtype=np.float32)
    return {
        "image": image - BACKGROUND,
        "image_minus_mean": image - class_mean,
        "image_minus_random": image - random_scan,
        "image_minus_reference": image - reference,
        "noise": torch.from_numpy(noise),
    }


def oracle_maps(scan: Row, reference: Row, frequencies: Mapping[int, float]) -> dict[str, Tensor]:
    """Return the exact change of the scan as maps; empty where it is not known.

    They are ceilings where the truth lies on the scan's own anatomy. Under the paper's NCC(+) it does not: there a blurred map,
    or one that copies where the reference's lesions lie, can score more.

    Args:
        scan: the scan, with its images loaded.
        reference: scan of the target class.
        frequencies: how often each parcel is lesioned in the target class, by its label; empty when unknown.

    Returns:
        `oracle`, the change that an exemplar map should show, and `oracle_expected`, that of a sampled map.
    """
    diseased = scan if int(reference["label"]) == 0 else reference
    if not knows_effect(scan) or not knows_parcels(diseased):
        return {}
    change = change_like(scan, diseased)
    return {"oracle": change, "oracle_expected": change if diseased is scan else expect_change(scan, frequencies)}
