"""The maps of all test scans beside what they should show, whatever made the maps."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from bundle.evaluation.ground_truth.training_classes import TrainingClasses
from bundle.evaluation.ground_truth.truths import Truth, find_truths
from bundle.evaluation.known_scans import Scan
from bundle.evaluation.map_metrics.reference_maps import oracle_maps, trivial_maps
from bundle.evaluation.map_metrics.regions import Regions
from bundle.evaluation.map_metrics.scores import score_maps
from bundle.evaluation.split import Split
from bundle.ranks import gather

KEPT_SCANS = 2  # of each split, towards each class


class MapScorer:
    """Compare maps of test scans, each towards another class, with what they should show; trivial maps beside them.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287).

    Args:
        split: the test split; its seed is that of the trivial maps.
        training: the training split, for the trivial maps and the expected change.
        regions: how brain regions are measured; None for not at all.

    Attributes:
        kept: scan, truth and maps of the first scans of each split towards each class, float16, by names like `seen/3>0/truth`;
            and what is known of `affine`, voxel to world in mm, and `unit`, a scanner unit in the intensities of the network.
    """

    def __init__(self, split: Split, training: TrainingClasses, regions: Regions | None = None) -> None:
        self.split, self.training, self.regions = split, training, regions
        self.kept: dict[str, np.ndarray] = {}

    def list_batches(self, directions: Sequence[tuple[int, int]], all_scans: bool = False) -> list[tuple[list[int], int]]:
        """Return positions of scans with a truth towards another class, and that class, for pairs of the two.

        Args:
            directions: pairs of the class of a scan and another one.
            all_scans: whether scans without any truth are listed as well, which have a reference scan.
        """
        found = []
        for target in range(self.split.num_classes):
            asked = [i for i, label in enumerate(self.split.labels) if (label, target) in directions]
            listed = [i for i in asked if self.has_truth(i, target) or (all_scans and self._is_bare(i, target))]
            found += [(batch, target) for batch in self.split.batches(listed)]
        self.training.read(sorted({target for batch, target in found if any(self.has_truth(i, target) for i in batch)}))
        return found

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
        self._keep(index, target, scan, maps, truths)
        about = {"reference": reference.row["participant_id"], "direction": split.name_direction(scan.label, target)}
        return [split.describe(index) | about | scores for scores in score_maps(candidates, truths, scan.brain_mask)]

    def share_kept(self) -> None:
        """Keep the same images in all processes of a run, those that one process keeps."""
        parts, self.kept = gather(self.kept), {}
        images = {name: image for part in parts for name, image in part.items()}
        scans: dict[tuple[str, int, int], str] = {}  # split, class and position, and how the names of the images begin
        for name in images:
            split, move, _ = name.split("/")
            index, _, target = move.partition(">")
            scans[split, int(target), int(index)] = f"{split}/{move}/"
        for scan in sorted(scans, key=lambda scan: scan[1:]):
            earlier = sum(other[:2] == scan[:2] and other[2] < scan[2] for other in scans)
            if earlier < KEPT_SCANS:
                self.kept |= {name: each for name, each in images.items() if name.startswith(scans[scan])}

    def _keep(self, index: int, target: int, scan: Scan, maps: Mapping[str, Tensor], truths: Sequence[Truth]) -> None:
        """Keep the images of a scan, if it is one of the first of its split towards a class."""
        split = self.split.names[index]
        known = {name.split("/")[1] for name in self.kept if name.startswith(f"{split}/") and f">{target}/" in name}
        if truths and len(known) < KEPT_SCANS:
            images = {"scan": scan.image, **maps, "truth": truths[0].image}
            kept = {name: image.numpy().astype(np.float16) for name, image in images.items()}
            kept |= {name: np.asarray(each) for name in ("affine", "unit") if (each := getattr(scan, name)) is not None}
            self.kept |= {f"{split}/{index}>{target}/{name}": each for name, each in kept.items()}

    def has_truth(self, index: int, target: int) -> bool:
        """Return whether a scan may have a truth towards a class, and a reference scan of it."""
        if not self.split.has_reference(index, target):
            return False
        if "disease_map" in self.split.rows[index]:
            return self.split.changed_labels[index] == target
        return self._has_lesions

    @cached_property
    def _has_lesions(self) -> bool:
        """Whether the cohort has masks or effects."""
        return any(key in row for row in self.split.rows for key in ("mask", "effect"))

    def _is_bare(self, index: int, target: int) -> bool:
        """Return whether a scan has a reference scan of a class, and a truth towards none."""
        known = any(self.has_truth(index, label) for label in range(self.split.num_classes))
        return self.split.has_reference(index, target) and not known
