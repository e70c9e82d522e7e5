"""Scans: their tables, their files, their grids and intensities, and their order in training."""

from bundle.data.intensities import RestoreIntensitiesd, ScaleForegroundd, StandardiseValued
from bundle.data.manifest import datalist, fingerprint, read_manifest
from bundle.data.resampling import ResampleToGrid, ResampleToGridd, redirect
from bundle.data.samplers import BalancedBatchSampler
from bundle.data.scans import CompleteImagesd, LoadScan, LoadScand, check_mask
from bundle.data.signatures import MarkTrainingScansd, RecordScansd

__all__ = [
    "BalancedBatchSampler",
    "CompleteImagesd",
    "LoadScan",
    "LoadScand",
    "MarkTrainingScansd",
    "RecordScansd",
    "ResampleToGrid",
    "ResampleToGridd",
    "RestoreIntensitiesd",
    "ScaleForegroundd",
    "StandardiseValued",
    "check_mask",
    "datalist",
    "fingerprint",
    "read_manifest",
    "redirect",
]
