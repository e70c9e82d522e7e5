"""Evaluation of a trained network: attribution maps, classes and latents, with trivial maps and the exact change beside them."""

from bundle.evaluation.ages import Ages
from bundle.evaluation.bootstrap import Bootstrap
from bundle.evaluation.classification import Classes
from bundle.evaluation.evaluation import Evaluation
from bundle.evaluation.explainers import TranslatingExplainer
from bundle.evaluation.longitudinal import Longitudinal
from bundle.evaluation.origin import Origin
from bundle.evaluation.pooling import pool_folds
from bundle.evaluation.post_hoc import PostHocExplainer, VAGANExplainer
from bundle.evaluation.selection import ReadableScans, draw_participants, list_validation
from bundle.evaluation.split import Split

__all__ = [
    "Ages",
    "Bootstrap",
    "Classes",
    "Evaluation",
    "Longitudinal",
    "Origin",
    "PostHocExplainer",
    "ReadableScans",
    "Split",
    "TranslatingExplainer",
    "VAGANExplainer",
    "draw_participants",
    "list_validation",
    "pool_folds",
]
