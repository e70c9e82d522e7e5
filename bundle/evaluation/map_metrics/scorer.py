"""The maps of all test scans beside what they should show, whatever made the maps."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor
from tqdm import tqdm

from bundle.evaluation.ground_truth.training_classes import TrainingClasses
from bundle.evaluation.ground_truth.truths import Truth, find_truths
from bundle.evaluation.map_metrics.reference_maps import oracle_maps, trivial_maps
from bundle.evaluation.map_metrics.scores import score_maps
from bundle.evaluation.split import Split

KEPT_SCANS = 2  # of each split, towards each class


class MapScorer:
    """Compare maps of test scans, each towards another class, with what they should show; trivial maps beside them.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287).

    Args:
        split: the test split; its seed is that of the trivial maps.
        training: the training split, for the trivial maps and the expected change.

    Attributes:
        kept: scan, truth and maps of the first scans of each split towards each class, float16, by names like `seen/3>0/truth`.
    """

    def __init__(self, split: Split, training: TrainingClasses) -> None:
        self.split, self.training = split, training
        self.kept: dict[str, np.ndarray] = {}

    def list_batches(self, directions: Sequence[tuple[int, int]]) -> Iterator[tuple[list[int], int]]:
        """Yield positions of scans with a truth towards another class, and that class, for pairs of the two."""
        found = []
        for target in range(self.split.num_classes):
            indices = [i for i, label in enumerate(self.split.labels) if (label, target) in directions and self._has(i, target)]
            found += [(batch, target) for batch in self.split.batches(indices)]
        for target in dict.fromkeys(target for _, target in found):
            self.training.describe(target)
        yield from tqdm(found, desc="maps", unit="batch", disable=not found)

    def score_scan(self, index: int, target: int, maps: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """Score the maps of a scan towards a class, the trivial ones and the exact change, a row a protocol and method.

        A diseased scan whose lesion mask is empty is refused.
        """
        split, seed = self.split, [self.split.seed, index, target]
        scan, reference = split.load(index), split.load(split.references[index][target])
        known, drawn = self.training.describe(target), self.training.pick_scan(target, seed)
        candidates = {**maps, **oracle_maps(scan, reference, known.frequencies)}
        candidates |= trivial_maps(scan.image, known.mean, drawn, reference.image, seed)
        truths = find_truths(scan, reference, known.frequencies)
        self._keep(index, target, {"scan": scan.image, **maps}, truths)
        about = {"reference": reference.row["participant_id"], "direction": split.name_direction(scan.label, target)}
        return [split.describe(index) | about | scores for scores in score_maps(candidates, truths, scan.brain_mask)]

    def _keep(self, index: int, target: int, images: Mapping[str, Tensor], truths: Sequence[Truth]) -> None:
        """Keep the images of a scan, if it is one of the first of its split towards a class."""
        split = self.split.names[index]
        known = {name.split("/")[1] for name in self.kept if name.startswith(f"{split}/") and f">{target}/" in name}
        if truths and len(known) < KEPT_SCANS:
            named = {**images, "truth": truths[0].image}.items()
            self.kept |= {f"{split}/{index}>{target}/{name}": image.numpy().astype(np.float16) for name, image in named}

    def _has(self, index: int, target: int) -> bool:
        """Return whether a scan may have a truth towards a class, and a reference scan of it."""
        if not self.split.has_reference(index, target):
            return False
        if "disease_map" in self.split.rows[index]:
            return self.split.changed_labels[index] == target
        return any(key in row for row in self.split.rows for key in ("mask", "effect"))
