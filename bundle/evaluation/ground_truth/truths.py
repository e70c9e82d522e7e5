"""What a map should show, under each protocol.

Removing disease (to class 0) should show the scan's own lesion. Adding it (from class 0) has two readings. The paper compares
with the lesion mask of the reference scan, which lies on another person's anatomy. "paired" compares with what the reference's
disease would be on the scan's own anatomy: the parcels that the reference's lesions fill, in the scan's own `parcel_map`.
Simulated cohorts have its exact change too: `effect` is the change by lesioning all parcels, so that the change by some of them
is the effect inside these.

Scans with a map of their own disease (`disease_map`: what the disease adds between two states of the same participant) need
neither reading: in both directions it is the truth of exemplar and sampled maps, as in the paper's longitudinal experiment. It
stands for one direction only, that between the two states; two scans of the same state have none.
"""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from bundle.evaluation.known_scans import Scan
from bundle.evaluation.names import PAIRED, PAPER


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


def find_truths(scan: Scan, reference: Scan, frequencies: Mapping[int, float]) -> list[Truth]:
    """Collect the truths of the translation of a scan to the class of a reference scan that the cohort has.

    There are none when the disease map leads to another class, without a disease map when neither class is 0, and where columns
    are missing. `frequencies`: how often each parcel is lesioned in that class, by its label; empty when unknown.
    """
    if scan.disease_map is not None:
        return find_own_change(scan) if scan.changed_label == reference.label != scan.label else []
    if scan.label > 0 and reference.label == 0:
        found = [
            (PAPER, "both", "own lesion mask", scan.mask),
            (PAIRED, "exemplar", "own lesion mask", scan.mask),
            (PAIRED, "sampled", "own change", scan.change_like(scan)),
        ]
    elif scan.label == 0:
        known = reference.has_parcels and scan.parcel_map is not None
        parcels = scan.select_parcels(reference.find_parcels()) if known else None
        expected = scan.expect_change(frequencies) if frequencies else None
        found = [
            (PAPER, "both", "lesion mask of the reference scan", reference.mask),
            (PAIRED, "exemplar", "parcels of the reference scan on the own anatomy", parcels),
            (PAIRED, "sampled", "expected change", expected),
        ]
    else:
        found = []
    return [Truth(protocol, kind, name, image) for protocol, kind, name, image in found if image is not None]


def find_own_change(scan: Scan) -> list[Truth]:
    """Return the map of a scan's own disease as the truth of all maps, under the paper's protocol; nothing without one."""
    return [] if scan.disease_map is None else [Truth(PAPER, "both", "own disease map", scan.disease_map)]


def find_own_truth(scan: Scan, reference: Scan) -> Truth | None:
    """Return what an exemplar map towards a reference should show on the scan's own anatomy; None where it is not known."""
    truths = find_truths(scan, reference, {})
    return next((truth for truth in truths if truth.protocol == PAIRED or scan.disease_map is not None), None)
