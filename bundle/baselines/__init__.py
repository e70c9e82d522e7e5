"""Methods to compare ICAM's maps with: post-hoc ones, the classifiers that they explain, and VA-GAN."""

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
from bundle.baselines.vagan import VAGAN, VAGANValidator
from bundle.baselines.wasserstein import GradientPenalty, VAGANTrainer, find_turns

__all__ = [
    "VAGAN",
    "AttributeClassifier",
    "ClassifierTrainer",
    "DeepLIFT",
    "GradCAM",
    "GradientPenalty",
    "GradientSHAP",
    "GuidedBackprop",
    "GuidedGradCAM",
    "IntegratedGradients",
    "LayerWiseRelevance",
    "Occlusion",
    "PostHoc",
    "SeparableBlock",
    "SmoothGrad",
    "VAGANTrainer",
    "VAGANValidator",
    "choose_methods",
    "draw_scans",
    "find_turns",
]
