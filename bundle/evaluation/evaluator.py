"""Evaluation of a trained network on the test split of a cohort."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from monai.data import Dataset
from torch import nn

from bundle.evaluation.classification import FIGURES, score_predictions
from bundle.evaluation.comparison import Comparison
from bundle.evaluation.encoding import Encodings, encode_scans
from bundle.evaluation.pairing import draw_references, name_splits
from bundle.evaluation.probes import probe_latent
from bundle.evaluation.scoring import COLUMNS, METRICS, summarise
from bundle.evaluation.tables import format_results
from bundle.files import write_atomically
from bundle.networks import ICAM


class Evaluation:
    """Score attribution maps, classifier and latents on the test split, seen and unseen anatomies apart.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287).

    Args:
        network: trained network.
        test: scans of the test split, transformed; its `data` are the entries of the data list.
        train: scans of the training split, likewise, for the trivial maps and the expected change.
        output_dir: folder that receives the subfolder `eval`.
        cohort: name of the cohort in the tables.
        device: where to compute.
        num_samples: draws of a sampled map.
        threshold: class probability that a draw exceeds.
        chunk_size: draws decoded at once, for each scan.
        batch_size: scans computed at once.
        seed: seed of reference scans, draws, trivial maps, probes and bootstrap.
        level: probability that an interval covers its figure.
        num_resamples: resamples of the bootstrap.
        headline: metric of the printed table and the report, `ncc_image` or `ncc_brain`.

    Raises:
        ValueError: When `headline` is unknown, the test split is empty, or a scan has no reference scan of another class.
    """

    def __init__(
        self,
        network: ICAM,
        test: Dataset,
        train: Dataset,
        output_dir: str | Path,
        cohort: str,
        device: torch.device | str = "cpu",
        num_samples: int = 50,
        threshold: float = 0.5,
        chunk_size: int = 10,
        batch_size: int = 8,
        seed: int = 0,
        level: float = 0.95,
        num_resamples: int = 2000,
        headline: str = METRICS[0],
    ) -> None:
        if headline not in METRICS:
            raise ValueError(f"headline must be one of {', '.join(METRICS)}, got {headline!r}")
        if not len(test):
            raise ValueError(f"the cohort {cohort} has no row whose split is test, and the evaluation needs some")
        self.network, self.device, self.batch_size = network.to(device), device, batch_size
        self.test, self.train = test, train
        self.cohort, self.headline, self.seed = cohort, headline, seed
        self.folder = Path(output_dir) / "eval"
        self.interval: dict[str, Any] = {"level": level, "num_resamples": num_resamples, "seed": seed}
        self.labels = np.array([int(row["label"]) for row in test.data])
        self.splits = name_splits(test.data, train.data)
        num_classes = network.attribute_encoder.classifier.out_features
        references = draw_references(test.data, self.splits, num_classes, seed)
        sampling = {"num_samples": num_samples, "threshold": threshold, "seed": seed, "chunk_size": chunk_size}
        self.comparison = Comparison(
            self.network, test, train, self.splits, references, sampling, batch_size, device
        )

    def run(self) -> pd.DataFrame:
        """Evaluate, write `metrics.csv`, `scans.csv`, `predictions.csv` and `settings.json`, and print the results.

        Returns:
            The contents of `metrics.csv`.

        Raises:
            ValueError: When the lesion mask of a diseased scan is empty.
        """
        encodings = self.encode()
        scans = self.comparison.run(encodings.attribute)
        tables = [summarise(scans, **self.interval)] if len(scans) else []
        metrics = pd.concat([*tables, self.score_classes(encodings)], ignore_index=True)
        metrics.insert(0, "cohort", self.cohort)
        metrics = metrics[list(COLUMNS)]
        self._write(metrics, scans, encodings)
        print(format_results(metrics, self.headline, self.list_left_out()))
        return metrics

    def encode(self) -> Encodings:
        """Return the latents of the test scans."""
        return encode_scans(self.network, self.test, self.device, self.batch_size)

    def score_classes(self, encodings: Encodings) -> pd.DataFrame:
        """Score classifier and linear probes within each split; these rows have no protocol and no direction.

        The probes are fitted to other test scans, of both splits, in a cross-validation.

        Args:
            encodings: latents of the test scans.
        """
        participants = [row["participant_id"] for row in self.test.data]
        latents = {"content_pooled": encodings.pooled, "content": encodings.content, "attribute": encodings.attribute.flatten(1)}
        predictions = {"classifier": encodings.probabilities.numpy()}
        for name, latent in latents.items():
            predictions[f"probe_{name}"] = probe_latent(latent.numpy(), self.labels, participants, seed=self.seed)
        tables = []
        for split in sorted(set(self.splits)):
            rows = np.array(self.splits) == split
            for method, probabilities in predictions.items():
                names = tuple(FIGURES) if method == "classifier" else ("balanced_accuracy",)
                table = score_predictions(self.labels[rows], probabilities[rows], names, **self.interval)
                tables.append(table.assign(split=split, protocol="", method=method, direction=""))
        return pd.concat(tables, ignore_index=True)

    def describe(self) -> dict[str, Any]:
        """Return what decides the results, but for the images; `settings.json` holds it."""
        return {
            "cohort": self.cohort,
            "weights": f"SHA-256 {hash_weights(self.network)}",
            "headline": self.headline,
            "num_scans": len(self.test),
            "maps": self.comparison.sampling,
            "interval": self.interval,
        }

    def list_left_out(self) -> list[str]:
        """Return a sentence for everything that the cohort's columns do not allow to be computed."""
        return list(_find_left_out({key for row in self.test.data for key in row}))

    def _write(self, metrics: pd.DataFrame, scans: pd.DataFrame, encodings: Encodings) -> None:
        predictions = pd.DataFrame({
            "participant_id": [row["participant_id"] for row in self.test.data],
            "split": self.splits,
            "label": self.labels,
            "predicted": encodings.probabilities.argmax(1).numpy(),
        })  # fmt: skip
        for label, column in enumerate(encodings.probabilities.T.tolist()):
            predictions[f"probability_{label}"] = column
        for name, table in {"metrics": metrics, "scans": scans, "predictions": predictions}.items():
            with write_atomically(self.folder / f"{name}.csv") as path:
                table.to_csv(path, index=False, float_format="%.6f")
        with write_atomically(self.folder / "settings.json") as path:
            path.write_text(json.dumps(self.describe(), indent=2) + "\n")


def hash_weights(network: nn.Module) -> str:
    """Return the first 16 digits of the SHA-256 over all weights and buffers of a network.

    Args:
        network: the network, on any device.
    """
    digest = hashlib.sha256()
    for name, weight in network.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _find_left_out(columns: set[str]) -> Iterator[str]:
    if "mask" not in columns:
        yield "no column mask: no NCC under the paper's protocol, and no NCC(-) of exemplar maps"
    if not {"effect", "parcel_map", "mask"} <= columns:
        yield "no columns effect, parcel_map and mask: no paired NCC(+), no exact change"
    if "brain_mask" not in columns:
        yield "no column brain_mask: no NCC inside the brain"
    if "anatomy" not in columns:
        yield "no column anatomy: seen and unseen anatomies are not told apart"
