"""Scores of maps of the test scans against what they should show, whatever made the maps."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from monai.data import Dataset
from torch import Tensor
from tqdm import tqdm

from bundle.data import check_mask
from bundle.data.intensities import INTENSITY_RANGE
from bundle.evaluation.candidates import oracle_maps, trivial_maps
from bundle.evaluation.encoding import plain, split_range
from bundle.evaluation.pairing import find_changed_labels, find_pairs, name_direction
from bundle.evaluation.scoring import score_maps
from bundle.evaluation.training_classes import TrainingClass, describe_class, pick_scan
from bundle.evaluation.truths import Truth, find_truths

TRUTH_KEYS = ("mask", "brain_mask", "effect", "parcel_map", "disease_map", "regions")
ROW = ("participant_id", "session_id")


class MapScorer:
    """Compare maps of test scans, each towards another class, with what they should show; trivial maps beside them.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287).

    Args:
        test: scans of the test split, transformed; its `data` are the entries of the data list.
        train: scans of the training split, likewise, for the trivial maps and the expected change.
        splits: "seen" or "unseen", one a test scan.
        references: for each test scan the index of its reference scan by target class.
        num_classes: number of classes, K.
        seed: seed of the trivial maps.
        batch_size: scans whose maps are made at once.

    Attributes:
        kept: scan, truth and maps of the first scans of each split towards each class, float16, by names like `seen/3>0/truth`.
    """

    kept_scans = 2  # of each split, towards each class

    def __init__(
        self,
        test: Dataset,
        train: Dataset,
        splits: Sequence[str],
        references: Sequence[Mapping[int, int]],
        num_classes: int,
        seed: int = 0,
        batch_size: int = 8,
    ) -> None:
        self.test, self.train, self.splits, self.references = test, train, splits, references
        self.num_classes, self.seed, self.batch_size = num_classes, seed, batch_size
        self.pairs = find_pairs(test.data)
        self.changed_labels = find_changed_labels(test.data, self.pairs, num_classes)
        self._classes: dict[int, TrainingClass] = {}
        self.kept: dict[str, np.ndarray] = {}

    def list_batches(self, classes: Sequence[int] | None = None) -> Iterator[tuple[int, list[int]]]:
        """Yield, with a progress bar, each target class with positions of scans of which something is known towards it.

        Args:
            classes: classes of the scans; None for all.
        """
        batches = []
        for target in range(self.num_classes):
            sources = [i for i in range(len(self.splits)) if self._knows(i, target) and self._is_of(i, classes)]
            batches += [(target, [sources[i] for i in positions]) for positions in split_range(len(sources), self.batch_size)]
        for target in dict.fromkeys(target for target, _ in batches):
            self.describe_target(target)
        yield from tqdm(batches, desc="maps", unit="batch", disable=not batches)

    def describe_target(self, target: int) -> TrainingClass:
        """Return what the training split tells of a class; it is read once."""
        if target not in self._classes:
            self._classes[target] = describe_class(self.train, target)
        return self._classes[target]

    def score_scan(self, index: int, target: int, maps: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """Score the maps of a scan, the trivial ones and the exact change.

        Args:
            index: position in the test split.
            target: class that the maps lead to.
            maps: maps by method, each of shape (C, H, W[, D]).

        Returns:
            A row a protocol and method.

        Raises:
            ValueError: When the lesion mask of a diseased scan is empty.
        """
        scan, reference = self.load(index), self.load(self.references[index][target])
        known, seed = self.describe_target(target), [self.seed, index, target]
        drawn = pick_scan(self.train, known.members, seed)
        candidates = {**maps, **oracle_maps(scan, reference, known.frequencies)}
        candidates |= trivial_maps(scan["image"], known.mean, drawn, reference["image"], seed)
        truths = find_truths(scan, reference, known.frequencies)
        self._keep(index, target, {"scan": scan["image"], **maps}, truths)
        about = self.describe(index) | {
            "reference": reference["participant_id"],
            "direction": name_direction(int(scan["label"]), target, self.num_classes),
        }
        return [about | scores for scores in score_maps(candidates, truths, scan.get("brain_mask"))]

    def load(self, index: int) -> dict[str, Any]:
        """Return a test scan: its entry of the data list with `image` and the truths as plain tensors, and `changed_label`.

        `unit` is what a scanner unit is in the intensities of the network, where the transforms have noted it.

        Args:
            index: position in the test split.

        Raises:
            ValueError: When the scan is diseased and its lesion mask empty.
        """
        row, item = self.test.data[index], self.test[index]
        images = {key: plain(item[key]) for key in ("image", *TRUTH_KEYS) if key in item}
        if int(row["label"]) > 0 and "mask" in row:
            check_mask(images["mask"], row["mask"])
        about = {key: value for key, value in row.items() if key not in TRUTH_KEYS}
        return about | images | {"changed_label": self.changed_labels[index]} | _find_unit(item["image"])

    def describe(self, index: int) -> dict[str, Any]:
        """Return who a test scan is, for the tables."""
        row = self.test.data[index]
        names = {key: row[key] for key in ROW if key in row}
        return {"scan": index} | names | {"split": self.splits[index], "label": int(row["label"])}

    def _keep(self, index: int, target: int, images: Mapping[str, Tensor], truths: Sequence[Truth]) -> None:
        """Keep the images of a scan, if it is one of the first of its split towards a class."""
        split = self.splits[index]
        known = {name.split("/")[1] for name in self.kept if name.startswith(f"{split}/") and f">{target}/" in name}
        if truths and len(known) < self.kept_scans:
            named = {**images, "truth": truths[0].image}.items()
            self.kept |= {f"{split}/{index}>{target}/{name}": image.numpy().astype(np.float16) for name, image in named}

    def _is_of(self, index: int, classes: Sequence[int] | None) -> bool:
        """Tell whether a scan is of one of the classes."""
        return classes is None or int(self.test.data[index]["label"]) in classes

    def _knows(self, index: int, target: int) -> bool:
        """Tell whether something may be known of a scan's map towards a class."""
        row = self.test.data[index]
        if int(row["label"]) == target:
            return False
        if "disease_map" in row:
            return self.changed_labels[index] == target
        return any(key in other for other in self.test.data for key in ("mask", "effect"))


def _find_unit(image: Any) -> dict[str, float]:
    """Return how much of the network's range [-1, 1] a scanner unit is, as `unit`; nothing where the image does not tell."""
    scale = getattr(image, "meta", {}).get(INTENSITY_RANGE)
    return {} if scale is None else {"unit": float(2 / (scale[1] - scale[0]))}
