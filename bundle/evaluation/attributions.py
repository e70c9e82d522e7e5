"""Evaluation of post-hoc attribution methods on a trained classifier, in the form of ICAM's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import torch
from monai.data import Dataset
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from bundle.checkpoints import hash_weights
from bundle.evaluation.classification import CLASSIFIER, score_classes
from bundle.evaluation.encoding import split_range, stack_images
from bundle.evaluation.evaluator import check_settings, find_left_out
from bundle.evaluation.pairing import draw_references, name_splits
from bundle.evaluation.results import list_predictions, publish
from bundle.evaluation.scorer import MapScorer
from bundle.evaluation.scoring import METRICS, summarise
from bundle.files import check_writable


class Method(Protocol):
    """An attribution method, such as those of `bundle.baselines`."""

    def attribute(self, image: Tensor, target: Tensor) -> Tensor:
        """Return maps, of the shape of `image`, of what speaks for the classes `target`, shape (B,)."""


class AttributionEvaluation:
    """Score post-hoc maps and the classifier that they explain, with the truths, protocols and intervals of ICAM's.

    Source: Bass et al., NeurIPS 2020, Sec. 4.1 and 4.3, Tables 3 and 4 (https://arxiv.org/abs/2006.08287).

    Args:
        classifier: trained network, from scans to class logits; None for methods without one, such as VA-GAN.
        methods: attribution methods, of that network or networks themselves, by the name of their rows.
        test: scans of the test split, transformed; its `data` are the entries of the data list.
        train: scans of the training split, likewise, for the trivial maps and the expected change.
        output_dir: folder that receives the subfolder `eval`.
        cohort: name of the cohort in the tables.
        num_classes: number of classes, K.
        sources: classes whose scans are explained; None for all.
        device: where to compute.
        batch_size: scans explained at once.
        seed: seed of reference scans, trivial maps and bootstrap.
        level: probability that an interval covers its figure.
        num_resamples: resamples of the bootstrap.
        headline: metric of the printed table, `ncc_image` or `ncc_brain`.
        settings: what else decides the results, for `settings.json`.

    Raises:
        ValueError: When `headline` is unknown, the test split is empty, or a scan has no reference scan of another class.
    """

    def __init__(
        self,
        classifier: nn.Module | None,
        methods: Mapping[str, Method],
        test: Dataset,
        train: Dataset,
        output_dir: str | Path,
        cohort: str,
        num_classes: int = 2,
        sources: Sequence[int] | None = None,
        device: torch.device | str = "cpu",
        batch_size: int = 8,
        seed: int = 0,
        level: float = 0.95,
        num_resamples: int = 2000,
        headline: str = METRICS[0],
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        check_settings(headline, test, cohort)
        self.classifier, self.methods, self.device = classifier, dict(methods), device
        self.sources = range(num_classes) if sources is None else sources
        self.cohort, self.headline, self.settings = cohort, headline, dict(settings or {})
        self.folder = Path(output_dir) / "eval"
        self.interval: dict[str, Any] = {"level": level, "num_resamples": num_resamples, "seed": seed}
        splits = name_splits(test.data, train.data)
        references = draw_references(test.data, splits, num_classes, seed)
        self.scorer = MapScorer(test, train, splits, references, num_classes, seed, batch_size)

    def run(self) -> pd.DataFrame:
        """Evaluate, write `metrics.csv`, `scans.csv`, `predictions.csv` and `settings.json`, and print the results.

        Returns:
            The contents of `metrics.csv`.

        Raises:
            OSError: When nothing can be written to the folder.
            ValueError: When the lesion mask of a diseased scan is empty.
        """
        check_writable(self.folder)
        probabilities = self.classify()
        scans = self.score_maps()
        rows = [summarise(scans, **self.interval)] if len(scans) else []
        rows += [self.score_classes(probabilities)] if probabilities.shape[1] else []
        tables = {"scans": scans, "predictions": list_predictions(self.scorer, probabilities)}
        left_out = list(find_left_out({key for row in self.scorer.test.data for key in row}, regression=False))
        return publish(self.folder, rows, tables, self.describe(), left_out, self.scorer.kept)

    def classify(self) -> Tensor:
        """Return the class probabilities of the test scans, shape (N, K), double precision; (N, 0) without a classifier."""
        if self.classifier is None:
            return torch.zeros(len(self.scorer.test), 0)
        logits = []
        with eval_mode(self.classifier), torch.inference_mode():
            for indices in split_range(len(self.scorer.test), self.scorer.batch_size):
                logits.append(self.classifier(self._stack(indices)).double().cpu())
        return torch.cat(logits).softmax(1)

    def score_maps(self) -> pd.DataFrame:
        """Return the contents of `scans.csv`: scores of the maps of all scans beside every class of which something is known."""
        rows: list[dict[str, Any]] = []
        for target, indices in self.scorer.list_batches(self.sources):
            batch = self.make_maps(indices, target)
            for position, index in enumerate(indices):
                maps = {method: images[position] for method, images in batch.items()}
                rows += self.scorer.score_scan(index, target, maps)
        return pd.DataFrame(rows)

    def make_maps(self, indices: Sequence[int], target: int) -> dict[str, Tensor]:
        """Explain some test scans beside a class, on the CPU, each (B, C, H, W[, D]).

        Args:
            indices: positions in the test split, none of class `target`.
            target: class that ICAM would translate them to.
        """
        image = self._stack(indices)
        explained = torch.tensor([explained_class(int(self.scorer.test.data[i]["label"]), target) for i in indices])
        return {name: method.attribute(image, explained).cpu() for name, method in self.methods.items()}

    def score_classes(self, probabilities: Tensor) -> pd.DataFrame:
        """Score the classifier within each split; these rows have no protocol and no direction.

        Args:
            probabilities: predicted class probabilities of the test scans, shape (N, K).
        """
        labels = [int(row["label"]) for row in self.scorer.test.data]
        return score_classes(labels, self.scorer.splits, {CLASSIFIER: probabilities.numpy()}, **self.interval)

    def describe(self) -> dict[str, Any]:
        """Return what decides the results, but for the images; `settings.json` holds it."""
        networks = [each for each in (self.classifier, *self.methods.values()) if isinstance(each, nn.Module)]
        return {
            "cohort": self.cohort,
            "weights": ", ".join(f"SHA-256 {hash_weights(network)}" for network in networks),
            "headline": self.headline,
            "num_scans": len(self.scorer.test),
            "methods": list(self.methods),
            "interval": self.interval,
        } | self.settings

    def _stack(self, indices: Sequence[int]) -> Tensor:
        return stack_images([self.scorer.test[i] for i in indices]).to(self.device)


def explained_class(label: int, target: int) -> int:
    """Return the class that a post-hoc map explains, where ICAM translates a scan: the more diseased of the two.

    A diseased scan's map (-) shows what speaks for its disease, a control's map (+) what speaks, for and against, for the disease
    that it would be given.

    Args:
        label: class of the scan.
        target: class that ICAM translates it to.
    """
    return max(label, target)
