"""What a map should show, under each protocol.

Removing disease (to class 0) should show the scan's own lesion. Adding it (from class 0) has two readings: the paper compares
with the lesion mask of the reference scan, which lies on another person's anatomy; "paired" compares with what the reference's
disease would be on the scan's own anatomy, which simulated cohorts know: they tell for every scan the change by lesioning all
parcels (`effect`) and where the parcels lie (`parcel_map`), so that the change by a set of parcels is the effect inside them.

Scans with a map of their own disease (`disease_map`: what the disease adds between two states of the same participant) need
neither reading: in both directions it is the truth of exemplar and sampled maps, as in the paper's longitudinal experiment. It
stands for one direction only, that between the two states; two scans of the same state have none.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from bundle.data.parcels import lesioned_parcels, select_parcels
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


def find_truths(scan: Row, reference: Row, frequencies: Mapping[int, float]) -> list[Truth]:
    """Collect the truths of a translation that the cohort knows.

    Args:
        scan: the scan, with its images loaded: `disease_map`, `mask`, `effect` and `parcel_map` where it has them, and as
            `changed_label` the class that its disease map leads to.
        reference: scan of the target class, likewise.
        frequencies: how often each parcel is lesioned in the target class, by its label in `parcel_map`; empty when unknown.

    Returns:
        Truths; empty when the disease map leads to another class than the reference's, without a disease map when neither class
        is 0, and where columns are missing.
    """
    if "disease_map" in scan:
        return [own_change(scan)] if scan.get("changed_label") == int(reference["label"]) != int(scan["label"]) else []
    if int(scan["label"]) > 0 and int(reference["label"]) == 0:
        return _truths_of_removal(scan)
    if int(scan["label"]) == 0:
        return _truths_of_adding(scan, reference, frequencies)
    return []


def own_change(scan: Row) -> Truth:
    """Return the map of a scan's own disease as the truth of all maps, under the paper's protocol."""
    return Truth("paper", "both", "own disease map", scan["disease_map"])


def find_own_truth(scan: Row, reference: Row) -> Truth | None:
    """Return what an exemplar map should show on the scan's own anatomy; None where it is not known.

    Args:
        scan: as in `find_truths`.
        reference: as in `find_truths`.
    """
    for truth in find_truths(scan, reference, {}):
        if truth.protocol == "paired" or "disease_map" in scan:
            return truth
    return None


def _truths_of_removal(scan: Row) -> list[Truth]:
    truths = []
    if "mask" in scan:
        truths += [Truth("paper", "both", "own lesion mask", scan["mask"])]
        truths += [Truth("paired", "exemplar", "own lesion mask", scan["mask"])]
    if knows_effect(scan) and knows_parcels(scan):
        truths += [Truth("paired", "sampled", "own change", change_like(scan, scan))]
    return truths


def _truths_of_adding(scan: Row, reference: Row, frequencies: Mapping[int, float]) -> list[Truth]:
    truths = []
    if "mask" in reference:
        truths += [Truth("paper", "both", "lesion mask of the reference scan", reference["mask"])]
    if knows_effect(scan) and knows_parcels(reference):
        parcels = select_parcels(scan["parcel_map"], lesioned_parcels(reference))
        truths += [Truth("paired", "exemplar", "parcels of the reference scan on the own anatomy", parcels)]
    if knows_effect(scan) and frequencies:
        truths += [Truth("paired", "sampled", "expected change", expect_change(scan, frequencies))]
    return truths


def knows_effect(scan: Row) -> bool:
    """Tell whether the change of a scan by lesioning any set of parcels is known."""
    return "effect" in scan and "parcel_map" in scan


def knows_parcels(scan: Row) -> bool:
    """Tell whether it is known which parcels of a scan are lesioned."""
    return "mask" in scan and "parcel_map" in scan


def change_like(scan: Row, diseased: Row) -> Tensor:
    """Return the exact change of a scan by lesioning the parcels of a diseased one, scanner units, shape (C, H, W[, D]).

    Args:
        scan: scan with `effect` and `parcel_map` loaded.
        diseased: scan with `mask` and `parcel_map` loaded.
    """
    return scan["effect"] * select_parcels(scan["parcel_map"], lesioned_parcels(diseased))


def expect_change(scan: Row, frequencies: Mapping[int, float]) -> Tensor:
    """Return the mean change of a scan over the disease of a class, scanner units, shape (C, H, W[, D]).

    Args:
        scan: scan with `effect` and `parcel_map` loaded.
        frequencies: how often each parcel is lesioned in the class, by its label.
    """
    weight = torch.zeros_like(scan["effect"])
    for label, frequency in frequencies.items():
        weight += frequency * (scan["parcel_map"].round() == label)
    return scan["effect"] * weight
