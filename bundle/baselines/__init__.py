"""Post-hoc attribution methods and the classifiers that they explain, to compare ICAM's maps with."""

from bundle.baselines.classifiers import AttributeClassifier, SeparableBlock
from bundle.baselines.draws import GradientSHAP, SmoothGrad, draw_scans
from bundle.baselines.methods import (
    DeepLIFT,
    GradCAM,
    GuidedBackprop,
    GuidedGradCAM,
    IntegratedGradients,
    LayerWiseRelevance,
    Occlusion,
    PostHoc,
)
from bundle.baselines.selection import choose_methods
from bundle.baselines.trainer import ClassifierTrainer

__all__ = [
    "AttributeClassifier",
    "ClassifierTrainer",
    "DeepLIFT",
    "GradCAM",
    "GradientSHAP",
    "GuidedBackprop",
    "GuidedGradCAM",
    "IntegratedGradients",
    "LayerWiseRelevance",
    "Occlusion",
    "PostHoc",
    "SeparableBlock",
    "SmoothGrad",
    "choose_methods",
    "draw_scans",
]
