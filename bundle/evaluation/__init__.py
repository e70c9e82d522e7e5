"""Evaluation of a trained network: attribution maps, classes and latents, with trivial maps and the exact change beside them."""

from bundle.evaluation.attributions import AttributionEvaluation
from bundle.evaluation.evaluator import Evaluation
from bundle.evaluation.screening import Screening, list_validation

__all__ = ["AttributionEvaluation", "Evaluation", "Screening", "list_validation"]
