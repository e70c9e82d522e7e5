"""What a map should show, under each protocol.

Removing disease (to class 0) should show the scan's own lesion. Adding it (from class 0) has two readings: the paper compares
with the lesion mask of the reference scan, which lies on another person's anatomy; "paired" compares with what the reference's
disease would be on the scan's own anatomy, which simulated cohorts know.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from bundle.evaluation.pairing import Row

PROTOCOLS = ("paper", "paired")


class Truth(NamedTuple):
    """An image that maps are compared with.

    Attributes:
        protocol: "paper" or "paired".
        kind: maps that it is meant for: "exemplar", which copy one scan's disease; "sampled", which average over the disease
            of a class; "both".
        name: what it shows, in words.
        image: mask in {0, 1} or change in scanner units, shape (C, H, W[, D]).
    """

    protocol: str
    kind: str
    name: str
    image: Tensor


def find_truths(
    scan: Row, reference: Row, parcel_names: Sequence[str], probabilities: Mapping[str, float] | None
) -> list[Truth]:
    """Collect the truths of a translation that the cohort knows.

    Args:
        scan: the scan, with its images loaded; optional `mask`, or `effect`, `parcel_map` and `parcels`.
        reference: scan of the target class, likewise.
        parcel_names: names of the labels 1, 2, ... of `parcel_map`.
        probabilities: of each parcel to be lesioned in the target class; None when the cohort has no parcels.

    Returns:
        Truths; empty when neither class is 0, and where columns are missing.
    """
    if int(scan["label"]) > 0 and int(reference["label"]) == 0:
        return _truths_of_removal(scan, parcel_names)
    if int(scan["label"]) == 0:
        return _truths_of_adding(scan, reference, parcel_names, probabilities)
    return []


def _truths_of_removal(scan: Row, parcel_names: Sequence[str]) -> list[Truth]:
    truths = []
    if "mask" in scan:
        truths += [Truth("paper", "both", "own lesion mask", scan["mask"])]
        truths += [Truth("paired", "exemplar", "own lesion mask", scan["mask"])]
    if knows_effect(scan) and scan.get("parcels"):
        truths += [Truth("paired", "sampled", "own change", change_by(scan, scan["parcels"], parcel_names))]
    return truths


def _truths_of_adding(
    scan: Row, reference: Row, parcel_names: Sequence[str], probabilities: Mapping[str, float] | None
) -> list[Truth]:
    truths = []
    if "mask" in reference:
        truths += [Truth("paper", "both", "lesion mask of the reference scan", reference["mask"])]
    if knows_effect(scan) and reference.get("parcels"):
        parcels = select_parcels(scan["parcel_map"], reference["parcels"], parcel_names)
        truths += [Truth("paired", "exemplar", "parcels of the reference scan on the own anatomy", parcels)]
    if knows_effect(scan) and probabilities is not None:
        truths += [Truth("paired", "sampled", "expected change", expect_change(scan, parcel_names, probabilities))]
    return truths


def knows_effect(scan: Row) -> bool:
    """Tell whether the change of a scan by lesioning any set of parcels is known."""
    return "effect" in scan and "parcel_map" in scan


def change_by(scan: Row, parcels: str, parcel_names: Sequence[str]) -> Tensor:
    """Return the exact change of a scan by lesioning a set of parcels, scanner units, shape (C, H, W[, D]).

    Args:
        scan: scan with `effect` and `parcel_map` loaded.
        parcels: names joined by `+`.
        parcel_names: names of the labels 1, 2, ... of `parcel_map`.

    Raises:
        ValueError: When a name is unknown.
    """
    return scan["effect"] * select_parcels(scan["parcel_map"], parcels, parcel_names)


def expect_change(scan: Row, parcel_names: Sequence[str], probabilities: Mapping[str, float]) -> Tensor:
    """Return the mean change of a scan over the disease of a class, scanner units, shape (C, H, W[, D]).

    Args:
        scan: scan with `effect` and `parcel_map` loaded.
        parcel_names: names of the labels 1, 2, ... of `parcel_map`.
        probabilities: of each parcel to be lesioned in the class.
    """
    weights = scan["effect"].new_tensor([0.0, *(probabilities[name] for name in parcel_names)])
    return scan["effect"] * weights[scan["parcel_map"].round().long()]


def select_parcels(parcel_map: Tensor, parcels: str, parcel_names: Sequence[str]) -> Tensor:
    """Mark the voxels of a set of parcels, 1 inside and 0 outside, shape of `parcel_map`.

    Args:
        parcel_map: label map, any shape.
        parcels: names joined by `+`, for example `MT+OP1`.
        parcel_names: names of the labels 1, 2, ...

    Raises:
        ValueError: When a name is unknown.
    """
    names = parcels.split("+")
    unknown = sorted(set(names) - set(parcel_names))
    if unknown:
        raise ValueError(f"parcels must be of {', '.join(parcel_names)} joined by '+', got {parcels!r}")
    labels = parcel_map.new_tensor([list(parcel_names).index(name) + 1 for name in names])
    return torch.isin(parcel_map.round(), labels).to(parcel_map.dtype)


def estimate_probabilities(train: Sequence[Row], target: int, parcel_names: Sequence[str]) -> dict[str, float] | None:
    """Return how often each parcel is lesioned in a class of the training split; None when no row names parcels.

    Args:
        train: entries of the training split.
        target: class.
        parcel_names: names of the parcels.
    """
    lesioned = [row["parcels"].split("+") for row in train if int(row["label"]) == target and row.get("parcels")]
    if not lesioned:
        return None
    return {name: sum(name in names for names in lesioned) / len(lesioned) for name in parcel_names}
