"""From raw scanner files to what the networks take, and the way back."""

from bundle.preprocessing.cohort import CohortPreprocessing
from bundle.preprocessing.pipeline import PreparedScan, Settings, prepare_scan
from bundle.preprocessing.quality_control import Limits
from bundle.preprocessing.sources import find_raw_scans

__all__ = ["CohortPreprocessing", "Limits", "PreparedScan", "Settings", "find_raw_scans", "prepare_scan"]
