"""Evaluation of a trained network on the test split of a cohort."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from monai.data import Dataset

from bundle.attribution import describe_sampling
from bundle.attribution.augmentation import Viewing
from bundle.attribution.conformal import save_calibrations
from bundle.checkpoints import hash_weights
from bundle.evaluation.ages import Ages, summarise_ages
from bundle.evaluation.classification import CLASSIFIER, score_classes
from bundle.evaluation.comparison import Comparison, Scores
from bundle.evaluation.draws import PRIOR
from bundle.evaluation.encoding import Encodings, encode_scans
from bundle.evaluation.longitudinal import Longitudinal, summarise_pairs
from bundle.evaluation.pairing import draw_references, name_splits
from bundle.evaluation.probes import probe_latent
from bundle.evaluation.results import list_predictions, publish
from bundle.evaluation.scoring import METRICS, summarise
from bundle.evaluation.uncertainty import Uncertainty
from bundle.evaluation.volumes import summarise_volumes
from bundle.files import check_writable
from bundle.networks import ICAM

CALIBRATION = "calibration.pt"


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
        mirror_axis: spatial axis along which scans are mirrored for further views; None for none.
        shift: voxels by which scans are shifted to and fro for further views; 0 for none.
        batch_size: scans computed at once.
        seed: seed of reference scans, draws, trivial maps, probes and bootstrap.
        level: probability that an interval covers its figure.
        num_resamples: resamples of the bootstrap.
        headline: metric of the printed table and the report, `ncc_image` or `ncc_brain`.
        voxel_size: edge of a voxel in mm, for all axes or one an axis; for volumes.
        dilation: distance from the labelled ventricles within which CSF counts as theirs, mm.
        value_mean: age that a network with regression regresses as 0, years.
        value_scale: years that it regresses as 1.
        draws: how attributes of sampled maps are drawn, "prior" or "bank".
        validation: scans of the validation split, transformed, by which intervals are calibrated; None or empty for none.
        uncertainty: fields of `uncertainty.Settings`: what is measured of the spread of sampled maps; None for nothing.
        preparation: how scans become network input, kept with the calibration of intervals.

    Raises:
        ValueError: When `headline` is unknown, the test split is empty, a scan has no reference scan of another class, or there
            are no such views.
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
        mirror_axis: int | None = None,
        shift: int = 0,
        batch_size: int = 8,
        seed: int = 0,
        level: float = 0.95,
        num_resamples: int = 2000,
        headline: str = METRICS[0],
        voxel_size: float | Sequence[float] = 1.0,
        dilation: float = 5.0,
        value_mean: float = 0.0,
        value_scale: float = 1.0,
        draws: str = PRIOR,
        validation: Dataset | None = None,
        uncertainty: Mapping[str, Any] | None = None,
        preparation: Mapping[str, Any] | None = None,
    ) -> None:
        check_settings(headline, test, cohort)
        self.network, self.device, self.batch_size = network.to(device), device, batch_size
        self.test, self.train = test, train
        self.cohort, self.headline, self.seed = cohort, headline, seed
        self.folder = Path(output_dir) / "eval"
        self.preparation = dict(preparation or {})
        self.measures = {
            "voxel_size": np.atleast_1d(voxel_size).tolist(),
            "dilation": dilation,
            "value_mean": value_mean,
            "value_scale": value_scale,
        }
        self.interval: dict[str, Any] = {"level": level, "num_resamples": num_resamples, "seed": seed}
        self.labels = np.array([int(row["label"]) for row in test.data])
        self.splits = name_splits(test.data, train.data)
        num_classes = network.attribute_encoder.num_classes
        references = draw_references(test.data, self.splits, num_classes, seed)
        sampling: dict[str, Any] = {"num_samples": num_samples, "threshold": threshold, "seed": seed, "chunk_size": chunk_size}
        sampling["viewing"] = Viewing(mirror_axis, shift)
        sampling["viewing"].check(len(network.attribute_encoder.image_size))
        self.comparison = Comparison(
            self.network, test, train, self.splits, references, sampling, batch_size, device, voxel_size, dilation, draws
        )
        self.longitudinal = Longitudinal(self.comparison)
        self.ages = Ages(self.comparison, value_mean, value_scale)
        self.uncertainty = None if uncertainty is None else Uncertainty(self.comparison, validation, uncertainty)

    def run(self) -> pd.DataFrame:
        """Evaluate, write the tables and `settings.json`, and print the results.

        Tables are `metrics.csv`, `scans.csv`, `predictions.csv`, and where the cohort has what they need `pairs.csv`,
        `volumes.csv`, `ages.csv`, `uncertainty.csv` and `variety.csv`; those of an earlier run that this one does not write are
        removed.

        Returns:
            The contents of `metrics.csv`.

        Raises:
            OSError: When nothing can be written to the folder.
            ValueError: When the lesion mask of a diseased scan is empty.
        """
        check_writable(self.folder)
        encodings = self.encode()
        tables = self.score_maps(encodings)
        tables |= {"predictions": list_predictions(self.comparison, encodings.probabilities)}
        rows = [*self._summarise(tables), self.score_classes(encodings)]
        self._save_calibrations()
        return publish(self.folder, rows, tables, self.describe(), self.list_left_out(), self.comparison.kept)

    def score_maps(self, encodings: Encodings) -> dict[str, pd.DataFrame]:
        """Return what maps and regression scored, by name of the table; empty tables where the cohort lacks what they need.

        Args:
            encodings: latents of the test scans.
        """
        scores, pairs = self.longitudinal.run(encodings.attribute)
        of_ages, ages = self.ages.run(encodings.attribute)
        scores.add(Scores(of_ages, []))
        scores.add(self.comparison.run(encodings.attribute))
        tables = {"scans": pd.DataFrame(scores.scans), "pairs": pd.DataFrame(pairs), "volumes": pd.DataFrame(scores.volumes)}
        return tables | {"ages": ages} | self._measure_uncertainty()

    def _measure_uncertainty(self) -> dict[str, pd.DataFrame]:
        """Return the tables on the spread of sampled maps; empty ones where nothing is to be measured or known."""
        if self.uncertainty is None:
            return {"uncertainty": pd.DataFrame(), "variety": pd.DataFrame()}
        return {"uncertainty": self.uncertainty.run(), "variety": self.uncertainty.compare_variety()}

    def _save_calibrations(self) -> None:
        """Save what inference needs to give intervals, whose draws are from the prior."""
        found = {} if self.uncertainty is None else self.uncertainty.calibrations
        calibrations = {target: each for (kind, target), each in found.items() if kind == PRIOR}
        if calibrations:
            origin = describe_sampling(self.network, self.comparison.sampling, self.preparation)
            save_calibrations(self.folder / CALIBRATION, calibrations, origin)

    def _summarise(self, tables: Mapping[str, pd.DataFrame]) -> Iterator[pd.DataFrame]:
        """Yield the rows of `metrics.csv` on each table that is not empty."""
        if len(tables["scans"]):
            yield summarise(tables["scans"], **self.interval)
        if len(tables["pairs"]):
            yield summarise_pairs(tables["pairs"], **self.interval)
        if len(tables["volumes"]):
            yield summarise_volumes(tables["volumes"], **self.interval)
        if len(tables["ages"]):
            known = [float(row["age"]) for row in self.train.data if "age" in row]
            yield summarise_ages(tables["ages"], float(np.mean(known)) if known else np.nan, **self.interval)

        if self.uncertainty is not None and len(tables["uncertainty"]):
            yield self.uncertainty.summarise(tables["uncertainty"], **self.interval)

    def encode(self) -> Encodings:
        """Return the latents of the test scans."""
        return encode_scans(self.network, self.test, self.device, self.batch_size)

    def score_classes(self, encodings: Encodings) -> pd.DataFrame:
        """Score classifier, if there is one, and linear probes within each split; these rows have no protocol and no direction.

        The probes are fitted to other test scans, of both splits, in a cross-validation.

        Args:
            encodings: latents of the test scans.
        """
        participants = [row["participant_id"] for row in self.test.data]
        latents = {"content_pooled": encodings.pooled, "content": encodings.content, "attribute": encodings.attribute.flatten(1)}
        predictions = {CLASSIFIER: encodings.probabilities.numpy()} if encodings.probabilities.shape[1] else {}
        for name, latent in latents.items():
            predictions[f"probe_{name}"] = probe_latent(latent.numpy(), self.labels, participants, seed=self.seed)
        return score_classes(self.labels, self.splits, predictions, **self.interval)

    def describe(self) -> dict[str, Any]:
        """Return what decides the results, but for the images; `settings.json` holds it."""
        sampling = self.comparison.sampling
        return {
            "cohort": self.cohort,
            "weights": f"SHA-256 {hash_weights(self.network)}",
            "headline": self.headline,
            "num_scans": len(self.test),
            "maps": {name: value for name, value in sampling.items() if name != "viewing"} | sampling["viewing"]._asdict(),
            "draws": self.comparison.draws,
            "uncertainty": None if self.uncertainty is None else self.uncertainty.describe(),
            "interval": self.interval,
            "measures": self.measures,
        }

    def list_left_out(self) -> list[str]:
        """Return a sentence for all that the cohort's columns, gaps in them, or the network do not allow to be computed."""
        encoder = self.network.attribute_encoder
        sentences = list(find_left_out({key for row in self.test.data for key in row}, encoder.regressor is not None))
        paired = ["disease_map" in row for row in self.test.data if "pair" in row]
        if any(paired) and not all(paired):
            sentences.append(f"{paired.count(False)} of {len(paired)} scans with a pair have no disease map: no NCC of them")
        if self.uncertainty is not None and self.uncertainty.settings.draws and not self.uncertainty.calibrations:
            sentences.append("no validation scan whose true change is known: no calibrated intervals")
        if encoder.classifier is None:
            sentences.append("the network has no classifier: no accuracy")
        return sentences


def check_settings(headline: str, test: Dataset, cohort: str) -> None:
    """Check what can be checked before anything is computed.

    Args:
        headline: metric of the printed table.
        test: scans of the test split.
        cohort: name of the cohort.

    Raises:
        ValueError: When `headline` is unknown or the test split is empty.
    """
    if headline not in METRICS:
        raise ValueError(f"headline must be one of {', '.join(METRICS)}, got {headline!r}")
    if not len(test):
        raise ValueError(f"the cohort {cohort} has no row whose split is test, and the evaluation needs some")


def find_left_out(columns: set[str], regression: bool) -> Iterator[str]:
    """Yield a sentence for everything that the columns of a cohort do not allow to be computed.

    Args:
        columns: columns of the test split.
        regression: whether the network regresses the age.
    """
    if "disease_map" in columns:
        yield from _find_left_out_of_pairs(columns)
    else:
        yield from _find_left_out_of_lesions(columns)
    if "brain_mask" not in columns:
        yield "no column brain_mask: no NCC inside the brain"
    if "anatomy" not in columns:
        yield "no column anatomy: seen and unseen anatomies are not told apart"
    if regression and "age" not in columns:
        yield "no column age: the regression is not scored"


def _find_left_out_of_pairs(columns: set[str]) -> Iterator[str]:
    if not {"pair", "session_id"} <= columns:
        yield "no columns pair and session_id: no longitudinal maps, repeats and volume effects"
    elif "regions" not in columns:
        yield "no column regions: no volume effects"


def _find_left_out_of_lesions(columns: set[str]) -> Iterator[str]:
    if "mask" not in columns:
        yield "no column mask: no NCC under the paper's protocol, and no NCC(-) of exemplar maps"
    if not {"effect", "parcel_map", "mask"} <= columns:
        yield "no columns effect, parcel_map and mask: no paired NCC(+), no exact change"
