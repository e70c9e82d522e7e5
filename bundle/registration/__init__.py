"""Registration of two scans of one person, and disease maps of real pairs: what changed between them."""

from bundle.registration.alignment import align, align_symmetrically
from bundle.registration.cohort import complete_disease_maps
from bundle.registration.differences import Difference, subtract_scans
from bundle.registration.volumes import Volume, read_volume

__all__ = [
    "Difference",
    "Volume",
    "align",
    "align_symmetrically",
    "complete_disease_maps",
    "read_volume",
    "subtract_scans",
]
