"""The maps of all test scans beside what they should show."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
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
from bundle.evaluation.truths import estimate_probabilities, find_truths
from bundle.networks import ICAM

TRUTH_KEYS = ("mask", "brain_mask", "effect", "parcel_map")


class Comparison:
    """Translate every test scan to every other class and compare its maps with what they should show.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network, on `device`.
        test: scans of the test split, transformed; its `data` are the entries of the data list.
        train: scans of the training split, likewise: only `image` is read, for the trivial maps.
        splits: "seen" or "unseen", one a test scan.
        references: for each test scan the index of its reference scan by target class.
        parcel_names: names of the labels 1, 2, ... of the parcel maps.
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
        parcel_names: Sequence[str],
        sampling: Mapping[str, Any],
        batch_size: int = 8,
        device: torch.device | str = "cpu",
    ) -> None:
        self.network, self.device, self.batch_size = network, device, batch_size
        self.test, self.train, self.splits, self.references = test, train, splits, references
        self.parcel_names, self.sampling = list(parcel_names), dict(sampling)
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
            mean = self._average_class(target)
            for positions in tqdm(list(split_range(len(sources), self.batch_size)), desc=f"maps to class {target}", unit="batch"):
                rows += self._score_batch([sources[i] for i in positions], target, attribute, mean)
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

    def _score_batch(self, indices: Sequence[int], target: int, attribute: Tensor, mean: Tensor) -> list[dict[str, Any]]:
        batch = self.make_maps(indices, target, attribute)
        rows = []
        for position, index in enumerate(indices):
            maps = {method: images[position] for method, images in batch.items()}
            rows += self._score_scan(index, target, maps, mean)
        return rows

    def _score_scan(self, index: int, target: int, maps: dict[str, Tensor], mean: Tensor) -> list[dict[str, Any]]:
        scan, reference = self.load(index), self.load(self.references[index][target])
        probabilities = estimate_probabilities(self.train.data, target, self.parcel_names)
        seed = [self.sampling["seed"], index, target]
        maps |= trivial_maps(scan["image"], mean, self._pick_training_scan(target, seed), reference["image"], seed)
        maps |= oracle_maps(scan, reference, self.parcel_names, probabilities)
        truths = find_truths(scan, reference, self.parcel_names, probabilities)
        about = {
            "participant_id": scan["participant_id"],
            "split": self.splits[index],
            "label": int(scan["label"]),
            "reference": reference["participant_id"],
            "direction": name_direction(int(scan["label"]), target, self.num_classes),
        }
        return [about | scores for scores in score_maps(maps, truths, scan.get("brain_mask"))]

    def _pick_training_scan(self, target: int, seed: Sequence[int]) -> Tensor:
        members = self._members(target)
        return plain(self.train[members[np.random.default_rng(seed).integers(len(members))]]["image"])

    def _average_class(self, target: int) -> Tensor:
        members = self._members(target)
        total = torch.zeros_like(plain(self.train[members[0]]["image"]), dtype=torch.float64)
        for index in tqdm(members, desc=f"mean of class {target}", unit="scan"):
            total += plain(self.train[index]["image"])
        return (total / len(members)).float()

    def _members(self, target: int) -> list[int]:
        return [i for i, row in enumerate(self.train.data) if int(row["label"]) == target]
