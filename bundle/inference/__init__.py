"""Explaining scans with a trained network: classes, feature attribution maps, walks through the latent space."""

from bundle.inference.datasets import ScanDataset, find_scans, load_scan
from bundle.inference.evaluator import ScanEvaluator
from bundle.inference.inferer import ICAMInferer
from bundle.inference.interpolation import Interpolation, Walk, walk
from bundle.inference.postprocessing import SplitExplanationd
from bundle.inference.predictions import Predictions
from bundle.inference.rawscans import AimAtRawScand

__all__ = [
    "AimAtRawScand",
    "ICAMInferer",
    "Interpolation",
    "Predictions",
    "ScanDataset",
    "ScanEvaluator",
    "SplitExplanationd",
    "Walk",
    "find_scans",
    "load_scan",
    "walk",
]
