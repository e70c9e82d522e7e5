"""What a network is given after its training: distributions of its classes, calibrated probabilities, and typical scores."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from monai.data import Dataset
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import cross_entropy

from bundle.attribution import EncodedScans
from bundle.attribution.density import LEAST_SCANS, fit_distributions
from bundle.attribution.sources import check_whole, encode_attributes
from bundle.attribution.typicality import describe_content, fit_features, knows_cohort, score_scans
from bundle.checkpoints import VALIDATION, read_about, save_network
from bundle.data.samplers import shuffle_scans
from bundle.data.scans import without_metadata
from bundle.networks import ICAM
from bundle.networks.typicality import SLOTS
from bundle.ranks import is_first, share_work

TEMPERATURE = "temperature"  # of what is kept beside the weights: of the probabilities; only completed networks have it
PRIOR_SPREAD = 0.5  # of the logarithm of the temperature; the best of 0.25, 0.5, 1 and none in leave-one-out on validation scans
LIMITS = -3.0, 3.0  # of the same

logger = logging.getLogger(__name__)


class Completion:
    """Fit what needs a trained network, and write it into the network's file.

    The distributions of the classes' attributes and their means are fitted to training scans, the temperature of the
    probabilities to validation scans; training scans give the mean and covariance of contents, and validation scans, from which
    no weight was learnt, the scores that a new scan is compared with.

    Args:
        train: training scans, without augmentation, with `image`; its `data` have the `label`.
        validation: validation scans, likewise.
        num_scans: training scans that are encoded, at most; as many of each class where it has so many.
        batch_size: scans encoded at once.
        seed: decides which scans, and the first guesses of the fits.

    Raises:
        ValueError: When fewer than two scans are to be encoded.
    """

    def __init__(self, train: Dataset, validation: Dataset, num_scans: int = 1000, batch_size: int = 16, seed: int = 0) -> None:
        check_whole("fitted_scans", num_scans, 2)
        self.train, self.validation = train, validation
        self.num_scans, self.batch_size, self.seed = num_scans, batch_size, seed

    def run(self, network: ICAM, checkpoint: str | Path, path: str | Path) -> None:
        """Fit what a network lacks, and save it with all that its file says of it.

        Args:
            network: the network of the file.
            checkpoint: its file.
            path: file that is written; it can be the same.
        """
        about = read_about(checkpoint)
        known = network.typicality is None or knows_cohort(network)
        if known and TEMPERATURE in about and VALIDATION in about and Path(path).resolve() == Path(checkpoint).resolve():
            logger.info("%s is complete already", checkpoint)
            return
        if not known:
            self.fit_latents(network)
        if TEMPERATURE not in about:
            about[TEMPERATURE] = self.calibrate(network)
        if VALIDATION not in about:
            about[VALIDATION] = self.count_right(network)
        if is_first():
            save_network(path, network, about)
            logger.info("The completed network: %s", path)

    def complete(self, network: ICAM) -> float:
        """Fit what the network has a place for: what is known of its latents, and its temperature, which is returned."""
        if network.typicality is not None:
            self.fit_latents(network)
        return self.calibrate(network)

    def fit_latents(self, network: ICAM) -> None:
        """Fit the distributions and means of the classes' attributes, and the scores of scans."""
        assert network.distributions is not None and network.typicality is not None
        chosen, labels = choose_scans(self.train, self.num_scans, self.seed)
        parts = self._encode(network, self.train, chosen, _describe)
        size = network.distributions.means.shape[2]
        fit_distributions(network.distributions, parts[:, :size], labels, self.seed)
        fit_features(network, parts[:, size:])
        counts = labels.bincount(minlength=len(network.class_attributes)).tolist()
        for label, count in enumerate(counts):
            if count >= LEAST_SCANS:
                mean = parts[labels == label, :size].mean(0)
                network.class_attributes[label].copy_(mean.view_as(network.class_attributes[label]))
            else:
                logger.warning(
                    "class %d has %d training scans, of %d that its distribution needs: its attributes are drawn from N(0, I)",
                    label, count, LEAST_SCANS,
                )  # fmt: skip
        validation, _ = choose_scans(self.validation, SLOTS, self.seed)
        if validation:
            network.typicality.set_scores(self._encode(network, self.validation, validation, score_scans))

    def calibrate(self, network: ICAM) -> float:
        """Calibrate the probabilities, and return the temperature; 1 without a classifier or validation scans."""
        chosen, labels = choose_scans(self.validation, SLOTS, self.seed)
        if network.attribute_encoder.classifier is None or not chosen:
            return 1.0
        logits = self._encode(network, self.validation, chosen, lambda scans: network.classify(scans.attribute))
        temperature = fit_temperature(logits, labels)
        calibrate(network, temperature)
        return temperature

    def count_right(self, network: ICAM) -> dict[str, int]:
        """Return how many validation `scans` are classified `right`, and how many are of the `largest` class."""
        chosen, labels = choose_scans(self.validation, SLOTS, self.seed)
        if network.attribute_encoder.classifier is None or not chosen:
            return {"right": 0, "scans": 0, "largest": 0}
        logits = self._encode(network, self.validation, chosen, lambda scans: network.classify(scans.attribute))
        right = int((logits.argmax(1) == labels).sum())
        return {"right": right, "scans": len(labels), "largest": int(labels.bincount().max())}

    def fit_distributions(self, network: ICAM) -> None:
        """Fit the distributions alone."""
        assert network.distributions is not None
        chosen, labels = choose_scans(self.train, self.num_scans, self.seed)
        device = network.class_attributes.device
        parts = share_work(
            self._split(chosen), lambda batch: encode_attributes(network, self.train, batch, device, self.batch_size).values.cpu()
        )
        fit_distributions(network.distributions, torch.cat(parts), labels, self.seed)

    def _encode(
        self, network: ICAM, dataset: Dataset, indices: Sequence[int], compute: Callable[[EncodedScans], Tensor]
    ) -> Tensor:
        """Return what is computed of some scans, a row each, on the CPU; the processes of a run share the work."""
        device = network.class_attributes.device

        def encode(batch: Sequence[int]) -> Tensor:
            """Return what is computed of a batch."""
            images = torch.stack([without_metadata(dataset[index]["image"]).float() for index in batch])
            labels = torch.tensor([int(dataset.data[index]["label"]) for index in batch], device=device)
            with torch.inference_mode():
                return compute(EncodedScans(network, images.to(device), labels=labels)).clone().cpu()

        return torch.cat(share_work(self._split(indices), encode))

    def _split(self, indices: Sequence[int]) -> list[Sequence[int]]:
        return [indices[start : start + self.batch_size] for start in range(0, len(indices), self.batch_size)]


def _describe(scans: EncodedScans) -> Tensor:
    """Return attribute means and what describes the content, (B, N + F)."""
    return torch.cat([scans.attribute.flatten(1), describe_content(scans.network, scans.latents[0].content)], dim=1)


def choose_scans(dataset: Dataset, num_scans: int, seed: int = 0) -> tuple[list[int], Tensor]:
    """Choose scans, as many of each class where it has so many.

    Args:
        dataset: its `data` have the `label`.
        num_scans: number of scans, at most.
        seed: decides which.

    Returns:
        Their positions, in ascending order, and their classes.
    """
    labels = np.array([int(row["label"]) for row in dataset.data], dtype=int)
    order, ranks = shuffle_scans(labels, seed)
    chosen = sorted(order[np.argsort(ranks, kind="stable")[:num_scans]].tolist())
    return chosen, torch.from_numpy(labels[chosen])


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature by which class logits are divided, so that probabilities come true as often as they say.

    It is the most probable one when the logarithm of the temperature is normal with mean 0 and standard deviation `PRIOR_SPREAD`.
    So few scans, or scans without an error, leave the logits nearly as they are.

    Source: Guo et al., ICML 2017, Sec. 4.2 (https://arxiv.org/abs/1706.04599); the prior is ours.

    Args:
        logits: of held-out scans, shape (S, K).
        labels: their classes, shape (S,).
    """
    scores, target = logits.double().cpu(), labels.cpu()

    def measure(logarithm: float) -> float:
        likelihood = cross_entropy(scores / np.exp(logarithm), target, reduction="sum")
        return float(likelihood) + 0.5 * (logarithm / PRIOR_SPREAD) ** 2

    return float(np.exp(minimize_scalar(measure, bounds=LIMITS, method="bounded").x))


@torch.no_grad()
def calibrate(network: ICAM, temperature: float) -> None:
    """Divide the logits of a network's classifier by a temperature, in its weights: no prediction changes its class.

    Args:
        network: network with a classifier.
        temperature: above 0.
    """
    classifier = cast(torch.nn.Linear, network.attribute_encoder.classifier)
    for weight in (classifier.weight, classifier.bias):
        weight.copy_(weight / temperature)
