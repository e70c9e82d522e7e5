"""Methods that ICAM's maps are compared with: post-hoc ones, the classifiers that they explain, and VA-GAN."""

from bundle.baselines.classifiers import AttributeClassifier, ClassifierTrainer, SeparableBlock
from bundle.baselines.methods import GradCAM, GuidedBackprop, GuidedGradCAM, LayerWiseRelevance, Occlusion, smooth_gradients
from bundle.baselines.posthoc import PostHoc, choose_methods, draw_scans
from bundle.baselines.vagan import VAGAN, VAGANValidator
from bundle.baselines.wasserstein import GradientPenalty, VAGANTrainer, find_turns

__all__ = [
    "VAGAN",
    "AttributeClassifier",
    "ClassifierTrainer",
    "GradCAM",
    "GradientPenalty",
    "GuidedBackprop",
    "GuidedGradCAM",
    "LayerWiseRelevance",
    "Occlusion",
    "PostHoc",
    "SeparableBlock",
    "VAGANTrainer",
    "VAGANValidator",
    "choose_methods",
    "draw_scans",
    "find_turns",
    "smooth_gradients",
]
