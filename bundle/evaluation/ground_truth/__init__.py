"""What a map should show."""

from bundle.evaluation.ground_truth.changes import Changes, find_changes
from bundle.evaluation.ground_truth.training_classes import TrainingClasses
from bundle.evaluation.ground_truth.truths import Truth, find_own_truth, find_truths

__all__ = ["Changes", "TrainingClasses", "Truth", "find_changes", "find_own_truth", "find_truths"]
