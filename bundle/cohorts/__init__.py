"""Real cohorts: readers that turn each into the manifest of `bundle.data.read_manifest`."""

from bundle.cohorts.adni import read_adni
from bundle.cohorts.folder import read_folder
from bundle.cohorts.hcp import read_hcp
from bundle.cohorts.identity import Identity, identify_cohort
from bundle.cohorts.layouts import find_folder
from bundle.cohorts.manifests import warn_of_small_splits, write_manifest
from bundle.cohorts.splits import Splitting
from bundle.cohorts.ukbiobank import read_ukbiobank

__all__ = [
    "Identity",
    "Splitting",
    "find_folder",
    "identify_cohort",
    "read_adni",
    "read_folder",
    "read_hcp",
    "read_ukbiobank",
    "warn_of_small_splits",
    "write_manifest",
]
