"""The maps of all test scans beside what they should show."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from monai.data import Dataset
from monai.utils import ensure_tuple_rep
from torch import Tensor

from bundle.evaluation.candidates import network_maps
from bundle.evaluation.draws import BANK, PRIOR, check_draws, draw_for_class
from bundle.evaluation.encoding import encode_attributes, plain, stack_images
from bundle.evaluation.pairing import CONVERTER, REPEAT, name_direction
from bundle.evaluation.scorer import MapScorer
from bundle.evaluation.volumes import Ventricles, compare_volumes
from bundle.networks import ICAM


class Scores(NamedTuple):
    """What maps of test scans scored.

    Attributes:
        scans: a row a scan, direction, protocol and method.
        volumes: a row a scan and method, of scans whose participant has another one.
    """

    scans: list[dict[str, Any]]
    volumes: list[dict[str, Any]]

    def add(self, other: "Scores") -> None:
        """Append the rows of other scores."""
        self.scans.extend(other.scans)
        self.volumes.extend(other.volumes)


class Comparison(MapScorer):
    """Translate every test scan to every other class and compare its maps with what they should show.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network, on `device`.
        test: scans of the test split, transformed; its `data` are the entries of the data list.
        train: scans of the training split, likewise, for the trivial maps and the expected change.
        splits: "seen" or "unseen", one a test scan.
        references: for each test scan the index of its reference scan by target class.
        sampling: `num_samples`, `threshold`, `seed` and `chunk_size` of the sampled maps, `viewing` of all.
        batch_size: scans computed at once.
        device: where to compute.
        voxel_size: edge of a voxel in mm, for all axes or one an axis.
        dilation: distance from the labelled ventricles within which CSF counts as theirs, mm.
        draws: how attributes of sampled maps are drawn, "prior" or "bank".

    Raises:
        ValueError: When `draws` is neither.
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
        voxel_size: float | Sequence[float] = 1.0,
        dilation: float = 5.0,
        draws: str = PRIOR,
    ) -> None:
        check_draws(draws)
        num_classes = network.attribute_encoder.num_classes
        super().__init__(test, train, splits, references, num_classes, sampling["seed"], batch_size)
        self.network, self.device, self.sampling, self.draws = network, device, dict(sampling), draws
        self._attributes: dict[tuple[str, int], tuple[Tensor, Tensor | None]] = {}
        spatial_dims = len(network.attribute_encoder.image_size)
        self.ventricles = Ventricles(self.load, ensure_tuple_rep(voxel_size, spatial_dims), dilation)

    def run(self, attribute: Tensor) -> Scores:
        """Score the maps of all scans towards every class in whose direction something is known.

        Args:
            attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).

        Returns:
            Rows; none when the cohort has neither masks nor effects nor disease maps.

        Raises:
            ValueError: When the lesion mask of a diseased scan is empty.
        """
        scores = Scores([], [])
        for target, indices in self.list_batches():
            batch = self.make_maps(indices, target, attribute)
            for position, index in enumerate(indices):
                maps = {method: images[position] for method, images in batch.items()}
                scores.volumes.extend(self._compare_volumes(index, target, maps))
                scores.scans.extend(self.score_scan(index, target, maps))
        return scores

    def make_maps(self, indices: Sequence[int], target: int, attribute: Tensor) -> dict[str, Tensor]:
        """Compute the network's maps of some test scans towards a class, on the CPU, each (B, C, H, W[, D]).

        Args:
            indices: positions in the test split, none of class `target`.
            target: class to translate to.
            attribute: attribute means of the test scans, shape (N, 1, H/16, W/16[, D/16]).
        """
        borrowed = attribute[[self.references[i][target] for i in indices]].to(self.device)
        return self.explain(indices, target, borrowed, self.draw(self.draws, target))

    def explain(
        self, indices: Sequence[int], target: int, borrowed: Tensor, drawn: tuple[Tensor, Tensor | None]
    ) -> dict[str, Tensor]:
        """Compute the network's maps of some test scans towards a class, on the CPU, each (B, C, H, W[, D]).

        Args:
            indices: positions in the test split, none of class `target`.
            target: class to translate to.
            borrowed: attribute means of the reference scans, shape (B, 1, H/16, W/16[, D/16]).
            drawn: attributes of sampled maps, from `draw`.
        """
        image = stack_images([self.test[i] for i in indices]).to(self.device)
        sides: dict[str, Any] = {"attributes": {target: drawn[0]}}
        sides["mirrored"] = self.mirror([self.references[i][target] for i in indices])
        sides["mirrored_attributes"] = None if drawn[1] is None else {target: drawn[1]}
        maps = network_maps(self.network, image, borrowed, torch.full((len(image),), target), **self.sampling, **sides)
        return {method: batch.cpu() for method, batch in maps.items()}

    def mirror(self, lenders: Sequence[int]) -> Tensor | None:
        """Return the attribute means of mirrored test scans, for mirrored views; None where there are none.

        Args:
            lenders: positions in the test split.
        """
        viewing = self.sampling["viewing"]
        if viewing.mirror_axis is None:
            return None
        return encode_attributes(self.network, self.test, lenders, self.device, self.batch_size, viewing)

    def draw(self, kind: str, target: int) -> tuple[Tensor, Tensor | None]:
        """Return the attributes that sampled maps towards a class are made with, drawn once, shape (N, 1, H/16, W/16[, D/16]).

        Those of mirrored views come second: of mirrored training scans, and None where they are the same.

        Args:
            kind: how they are drawn, "prior" or "bank".
            target: the class.
        """
        if (kind, target) not in self._attributes:
            self._attributes[kind, target] = self.draw_anew(kind, target)
        return self._attributes[kind, target]

    def draw_anew(self, kind: str, target: int) -> tuple[Tensor, Tensor | None]:
        """Return what `draw` does, with the weights that the network has now.

        Args:
            kind: how they are drawn, "prior" or "bank".
            target: the class.
        """
        count, threshold, seed = (self.sampling[name] for name in ("num_samples", "threshold", "seed"))
        drawing = (kind, self.network, self.train, target, count, threshold, seed, self.device, self.batch_size)
        viewing = self.sampling["viewing"]
        both = kind == BANK and viewing.mirror_axis is not None
        return draw_for_class(*drawing), draw_for_class(*drawing, viewing) if both else None

    def describe_pair(self, index: int) -> dict[str, Any]:
        """Return who a test scan and the participant's other scan are, for the tables."""
        row, other = self.test.data[index], self.test.data[self.pairs[index]]
        label, pair_label = int(row["label"]), int(other["label"])
        same = label == pair_label
        return self.describe(index) | {
            "pair": other["session_id"],
            "pair_label": pair_label,
            "kind": REPEAT if same else CONVERTER,
            "direction": "" if same else name_direction(label, pair_label, self.num_classes),
        }

    def _compare_volumes(self, index: int, target: int, maps: dict[str, Tensor]) -> Iterator[dict[str, Any]]:
        """Yield the volumes of a scan translated to the class of the participant's other scan, for both ways."""
        if not self.has_volumes(index) or self.describe_pair(index)["pair_label"] != target:
            return
        image = plain(self.test[index]["image"])
        for way in ("exemplar", "sampled"):
            translated = image + maps[f"{way}_input"]
            reconstruction = translated - maps[f"{way}_reconstruction"]
            volumes = compare_volumes(self.ventricles, index, self.pairs[index], reconstruction, translated)
            yield self.describe_pair(index) | {"method": way} | volumes

    def has_volumes(self, index: int) -> bool:
        """Tell whether a scan and the participant's other one have labelled ventricles."""
        return index in self.pairs and all("regions" in self.test.data[i] for i in (index, self.pairs[index]))
