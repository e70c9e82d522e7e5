"""Results of a group: maps of many scans in template space, tested voxel by voxel, with pictures and a text on the methods."""

from bundle.group.analysis import GroupAnalysis
from bundle.group.design import Design
from bundle.group.explained import Cohort, ExplainedScan
from bundle.group.maps import MapReader, MapStack
from bundle.group.testing import Correction, VoxelTest, run_test

__all__ = [
    "Cohort",
    "Correction",
    "Design",
    "ExplainedScan",
    "GroupAnalysis",
    "MapReader",
    "MapStack",
    "VoxelTest",
    "run_test",
]
