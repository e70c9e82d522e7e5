"""From raw scanner files to what the networks take, and the way back."""

from bundle.preprocessing.pipeline import PreparedScan, Settings, prepare_scan
from bundle.preprocessing.preparation import Preparation
from bundle.preprocessing.quality import Limits
from bundle.preprocessing.sources import find_raw_scans

__all__ = ["Limits", "Preparation", "PreparedScan", "Settings", "find_raw_scans", "prepare_scan"]
