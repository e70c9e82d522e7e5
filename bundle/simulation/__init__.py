"""Simulated cohorts with exact truth: lesions, conversion and ageing on real anatomies, and squares on noise."""

from bundle.simulation.ageing import AgeingStudy
from bundle.simulation.cohort import find_cohort, simulate_cohort
from bundle.simulation.conversion import ConversionStudy
from bundle.simulation.lesions import LesionStudy
from bundle.simulation.regions import REGIONS
from bundle.simulation.squares import simulate_squares_cohort

__all__ = [
    "REGIONS", "AgeingStudy", "ConversionStudy", "LesionStudy", "find_cohort", "simulate_cohort", "simulate_squares_cohort",
]  # fmt: skip
