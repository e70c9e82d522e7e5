"""From raw scanner files to what the networks take, and the way back."""

from bundle.preparation.preparation import Preparation
from bundle.preparation.quality import Limits
from bundle.preparation.sources import find_raw_scans
from bundle.preparation.steps import PreparedScan, Settings, prepare_scan

__all__ = ["Limits", "Preparation", "PreparedScan", "Settings", "find_raw_scans", "prepare_scan"]
