"""Evaluation of a trained network: attribution maps, classes and latents, with trivial maps and the exact change beside them."""

from bundle.evaluation.attributions import AttributionEvaluation
from bundle.evaluation.evaluator import Evaluation
from bundle.evaluation.examination import Examination
from bundle.evaluation.explainers import PostHocExplainer, TranslatingExplainer, VAGANExplainer
from bundle.evaluation.judge import Judge
from bundle.evaluation.pairing import draw_participants
from bundle.evaluation.screening import Screening, list_validation

__all__ = [
    "AttributionEvaluation",
    "Evaluation",
    "Examination",
    "Judge",
    "PostHocExplainer",
    "Screening",
    "TranslatingExplainer",
    "VAGANExplainer",
    "draw_participants",
    "list_validation",
]
