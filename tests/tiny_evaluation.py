"""Evaluations of tiny cohorts, as the configs build them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import Dataset
from torch import nn

from bundle.attribution import PriorSource, TestTimeAugmentation, TrainingSource
from bundle.evaluation import (
    Ages,
    Bootstrap,
    Classes,
    Evaluation,
    Longitudinal,
    PostHocExplainer,
    Split,
    TranslatingExplainer,
    VAGANExplainer,
)
from bundle.evaluation.ground_truth import TrainingClasses
from bundle.evaluation.known_scans import Scan
from bundle.evaluation.map_metrics import MapScorer, Ventricles
from bundle.evaluation.reporting import Results
from bundle.evaluation.uncertainty import Uncertainty
from bundle.networks import ICAM

CLASS_FIGURES = {"accuracy", "balanced_accuracy", "f1", "auc", "calibration_error", "calibration_error_by_chance"}


def make_scan(label: int, image: torch.Tensor | None = None, **fields: Any) -> Scan:
    return Scan({}, label, torch.zeros(1, 2, 3) if image is None else image, **fields)


def rows_of(labels: list[int], anatomies: list[str] | None = None) -> list[dict]:
    anatomies = anatomies or ["one"] * len(labels)
    return [
        {"participant_id": f"sub-{i:04d}", "label": label, "anatomy": anatomy}
        for i, (label, anatomy) in enumerate(zip(labels, anatomies, strict=True))
    ]


def build_split(cohort: Any, num_classes: int = 2, seed: int = 0, batch_size: int = 8) -> Split:
    return Split(cohort.test, num_classes, cohort.train, "tiny", seed, batch_size)


def build_explainer(
    network: ICAM,
    cohort: Any,
    num_samples: int = 4,
    attribute_source: str = "prior",
    mirror_axis: int | None = None,
    chunk_size: int = 10,
    seed: int = 0,
    batch_size: int = 8,
) -> TranslatingExplainer:
    split = build_split(cohort, network.attribute_encoder.num_classes, seed, batch_size)
    augmentation = TestTimeAugmentation(mirror_axis)
    sources = {
        "prior": PriorSource(network, num_samples, seed=seed),
        "training": TrainingSource(network, cohort.train, num_samples, seed, batch_size=batch_size, augmentation=augmentation),
    }
    return TranslatingExplainer(network, split, sources, attribute_source, augmentation, chunk_size)


def build_evaluation(
    network: ICAM,
    cohort: Any,
    folder: Path,
    headline: str = "ncc_image",
    num_resamples: int = 50,
    voxel_size: float = 1.0,
    dilation: float = 5.0,
    value_mean: float = 0.0,
    value_scale: float = 1.0,
    validation: Dataset | None = None,
    uncertainty: Mapping[str, Any] | None = None,
    **explained: Any,
) -> Evaluation:
    explainer, training = build_explainer(network, cohort, **explained), TrainingClasses(cohort.train)
    split, ventricles = explainer.split, Ventricles(explainer.split, voxel_size, dilation)
    return Evaluation(
        Results(folder / "eval", headline),
        Bootstrap(0.95, num_resamples, split.seed),
        explainer,
        MapScorer(split, training),
        Classes(split, seed=split.seed),
        Longitudinal(explainer, ventricles),
        ventricles,
        Ages(explainer, value_mean, value_scale),
        None if uncertainty is None else Uncertainty(explainer, training, validation, **uncertainty),
    )


def build_post_hoc(
    classifier: nn.Module | None,
    methods: Mapping[str, Any],
    cohort: Any,
    folder: Path,
    headline: str = "ncc_image",
    num_resamples: int = 50,
    sources: Sequence[int] | None = None,
    batch_size: int = 8,
) -> Evaluation:
    split = build_split(cohort, batch_size=batch_size)
    if classifier is None:
        explainer: PostHocExplainer = VAGANExplainer(next(iter(methods.values())), split)
    else:
        explainer = PostHocExplainer(classifier, methods, split, sources)
    results, scorer = Results(folder / "eval", headline), MapScorer(split, TrainingClasses(cohort.train))
    return Evaluation(results, Bootstrap(0.95, num_resamples), explainer, scorer, Classes(split))
