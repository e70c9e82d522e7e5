"""Brain regions of scans in MNI space, and how much a map changes each of them."""

from bundle.atlases.atlas import NAMES, Atlas, Region, check_atlas, find_overlap, list_files, load_atlas
from bundle.atlases.changes import LEAST_OVERLAP, THRESHOLD, Placed, check_place, label_voxels, measure_changes
from bundle.atlases.reliability import LEAST, find_reliability

__all__ = [
    "LEAST",
    "LEAST_OVERLAP",
    "NAMES",
    "THRESHOLD",
    "Atlas",
    "Placed",
    "Region",
    "check_atlas",
    "check_place",
    "find_overlap",
    "find_reliability",
    "label_voxels",
    "list_files",
    "load_atlas",
    "measure_changes",
]
