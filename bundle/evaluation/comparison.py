"""The maps of all test scans beside what they should show."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from monai.data import Dataset
from torch import Tensor
from tqdm import tqdm

from bundle.data import check_mask
from bundle.evaluation.candidates import network_maps, oracle_maps, trivial_maps
from bundle.evaluation.encoding import plain, split_range, stack_images
from bundle.evaluation.pairing import name_direction
from bundle.evaluation.scoring import score_maps
from bundle.evaluation.training_classes import TrainingClass, describe_class, pick_scan
from bundle.evaluation.truths import find_truths
from bundle.networks import ICAM

TRUTH_KEYS = ("mask", "brain_mask", "effect", "parcel_map")


class Comparison:
    """Translate every test scan to every other class and compare its maps with what they should show.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network, on `device`.
        test: scans of the test split, transformed; its `data` are the entries of the data list.
        train: scans of the training split, likewise, for the trivial maps and the expected change.
        splits: "seen" or "unseen", one a test scan.
        references: for each test scan the index of its reference scan by target class.
        sampling: `num_samples`, `threshold`, `seed` and `chunk_size` of the sampled maps.
        batch_size: scans computed at once.
        device: where to compute.
    """

    def __init__(
        self,
        network: ICAM,
        test: Dataset,
        train: Dataset,
        splits: Sequence[str],
        references: Sequence[Mapping[int, int]],
        sampling: Mapping[str, Any],
        batch_size: int = 8,
        device: torch.device | str = "cpu",
    ) -> None:
        self.network, self.device, self.batch_size = network, device, batch_size
        self.test, self.train, self.splits, self.references = test, train, splits, references
        self.sampling = dict(sampling)
        self.num_classes = network.attribute_encoder.classifier.out_features

    def run(self, attribute: Tensor) -> pd.DataFrame:
        """Score all maps.

        Args:
            attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).

        Returns:
            One row a scan, direction, protocol and method; empty when the cohort has neither masks nor effects.

        Raises:
            ValueError: When the lesion mask of a diseased scan is empty.
        """
        if not any("mask" in row or "effect" in row for row in self.test.data):
            return pd.DataFrame()
        rows: list[dict[str, Any]] = []
        for target in range(self.num_classes):
            sources = [i for i, row in enumerate(self.test.data) if int(row["label"]) != target]
            known = describe_class(self.train, target)
            for positions in tqdm(list(split_range(len(sources), self.batch_size)), desc=f"maps to class {target}", unit="batch"):
                rows += self._score_batch([sources[i] for i in positions], target, attribute, known)
        return pd.DataFrame(rows)

    def load(self, index: int) -> dict[str, Any]:
        """Return a test scan: its entry of the data list with `image` and the truths as plain tensors.

        Args:
            index: position in the test split.

        Raises:
            ValueError: When the scan is diseased and its lesion mask empty.
        """
        row, item = self.test.data[index], self.test[index]
        images = {key: plain(item[key]) for key in ("image", *TRUTH_KEYS) if key in item}
        if int(row["label"]) > 0 and "mask" in row:
            check_mask(images["mask"], row["mask"])
        return {key: value for key, value in row.items() if key not in TRUTH_KEYS} | images

    def make_maps(self, indices: Sequence[int], target: int, attribute: Tensor) -> dict[str, Tensor]:
        """Compute the network's maps of some test scans towards a class, on the CPU, each (B, C, H, W[, D]).

        Args:
            indices: positions in the test split, none of class `target`.
            target: class to translate to.
            attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).
        """
        image = stack_images([self.test[i] for i in indices]).to(self.device)
        borrowed = attribute[[self.references[i][target] for i in indices]].to(self.device)
        maps = network_maps(self.network, image, borrowed, torch.full((len(indices),), target), **self.sampling)
        return {method: batch.cpu() for method, batch in maps.items()}

    def _score_batch(self, indices: Sequence[int], target: int, attribute: Tensor, known: TrainingClass) -> list[dict[str, Any]]:
        batch = self.make_maps(indices, target, attribute)
        rows = []
        for position, index in enumerate(indices):
            maps = {method: images[position] for method, images in batch.items()}
            rows += self._score_scan(index, target, maps, known)
        return rows

    def _score_scan(self, index: int, target: int, maps: dict[str, Tensor], known: TrainingClass) -> list[dict[str, Any]]:
        scan, reference = self.load(index), self.load(self.references[index][target])
        seed = [self.sampling["seed"], index, target]
        drawn = pick_scan(self.train, known.members, seed)
        maps |= oracle_maps(scan, reference, known.frequencies)
        maps |= trivial_maps(scan["image"], known.mean, drawn, reference["image"], seed)
        truths = find_truths(scan, reference, known.frequencies)
        about = {
            "scan": index,
            "participant_id": scan["participant_id"],
            "split": self.splits[index],
            "label": int(scan["label"]),
            "reference": reference["participant_id"],
            "direction": name_direction(int(scan["label"]), target, self.num_classes),
        }
        return [about | scores for scores in score_maps(maps, truths, scan.get("brain_mask"))]
