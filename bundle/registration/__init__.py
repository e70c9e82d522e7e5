"""Registration of two scans of one person, and disease maps of real pairs: what changed between them."""

from bundle.registration.alignment import Registration
from bundle.registration.differences import Difference, subtract_scans
from bundle.registration.disease_maps import complete_disease_maps
from bundle.registration.volumes import Volume, read_brain

__all__ = ["Difference", "Registration", "Volume", "complete_disease_maps", "read_brain", "subtract_scans"]
