"""Scans: their tables, their files, their grids and intensities, and their order in training."""

from bundle.data.caches import CachedScans, check_scans
from bundle.data.intensities import RestoreIntensitiesd, ScaleForegroundd, StandardiseValued
from bundle.data.manifest import datalist, fingerprint, read_manifest
from bundle.data.resampling import ResampleToGrid, ResampleToGridd, redirect
from bundle.data.samplers import BalancedBatchSampler, draw_scans
from bundle.data.scans import CompleteImagesd, LoadScan, LoadScand, check_mask
from bundle.data.signatures import MarkTrainingScansd, RecordScansd
from bundle.data.storage import Storage, choose_storage, hold_scans
from bundle.data.stored_scans import StoredScans

__all__ = [
    "BalancedBatchSampler",
    "CachedScans",
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
    "Storage",
    "StoredScans",
    "check_mask",
    "check_scans",
    "choose_storage",
    "datalist",
    "draw_scans",
    "fingerprint",
    "hold_scans",
    "read_manifest",
    "redirect",
]
