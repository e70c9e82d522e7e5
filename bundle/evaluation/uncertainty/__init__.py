"""What the spread of sampled maps shows."""

from bundle.evaluation.uncertainty.intervals import INTERVALS
from bundle.evaluation.uncertainty.spread import Uncertainty

__all__ = ["INTERVALS", "Uncertainty"]
