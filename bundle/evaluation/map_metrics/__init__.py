"""Scores of maps, and the maps that they stand beside."""

from bundle.evaluation.map_metrics.regions import Regions
from bundle.evaluation.map_metrics.scorer import MapScorer
from bundle.evaluation.map_metrics.volumes import Ventricles

__all__ = ["MapScorer", "Regions", "Ventricles"]
