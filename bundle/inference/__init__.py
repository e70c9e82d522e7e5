"""Explaining scans with a trained network: classes, feature attribution maps, walks through the latent space."""

from bundle.inference.datasets import ScanDataset, find_scans, foresee_scans, load_scan
from bundle.inference.evaluator import ScanEvaluator
from bundle.inference.inferer import AgeRegression, ICAMInferer
from bundle.inference.interpolation import Interpolation, Walk, walk
from bundle.inference.methods import Methods
from bundle.inference.overview import Overview
from bundle.inference.postprocessing import AimAtRawScand, SplitExplanationd
from bundle.inference.predictions import Predictions
from bundle.inference.regions import RegionTable
from bundle.inference.runs import explain_scans

__all__ = [
    "AgeRegression",
    "AimAtRawScand",
    "ICAMInferer",
    "Interpolation",
    "Methods",
    "Overview",
    "Predictions",
    "RegionTable",
    "ScanDataset",
    "ScanEvaluator",
    "SplitExplanationd",
    "Walk",
    "explain_scans",
    "find_scans",
    "foresee_scans",
    "load_scan",
    "walk",
]
