"""Whether the spread of sampled maps shows where and by how much they are wrong, and how persons differ.

This needs cohorts with a known truth: the true change of a scan is one (its own lesion that goes, its own disease map) or, where
disease is added, one for each phenotype of the scans of the target class, as often as it occurs among them.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from monai.data import Dataset
from torch import Tensor
from tqdm import tqdm

from bundle.attribution import PriorSource, describe_sampling, single_maps
from bundle.attribution.conformal import Calibration, calibrate, save_calibrations
from bundle.evaluation.bootstrap import Bootstrap, mean_of
from bundle.evaluation.explainers import TranslatingExplainer
from bundle.evaluation.ground_truth.changes import Changes, Phenotype, count_shares, find_changes, find_phenotype
from bundle.evaluation.ground_truth.training_classes import TrainingClasses
from bundle.evaluation.known_scans import Scan
from bundle.evaluation.names import UNCERTAINTY
from bundle.evaluation.progress import Share
from bundle.evaluation.split import Split
from bundle.evaluation.uncertainty.diversity import compare_phenotypes, detect_phenotypes, summarise_diversity
from bundle.evaluation.uncertainty.intervals import make_intervals, measure_coverage
from bundle.metrics import compute_ncc
from bundle.ranks import share_work

ABOUT = ("scan", "participant_id", "session_id", "split", "label", "direction", "draws")


class Sample(NamedTuple):
    """Sampled maps of one scan beside its true changes.

    Attributes:
        scan: the scan.
        maps: shape (N, C, H, W[, D]), network intensity.
        changes: the true changes.
    """

    scan: Scan
    maps: Tensor
    changes: Changes

    def select(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return maps (N, V), changes (M, V) and their shares (M,), at the V voxels of the brain."""
        inside = self.scan.brain
        images = self.maps[:, inside], self.changes.images[:, inside], self.changes.shares
        maps, changes, shares = (image.double().numpy() for image in images)
        return maps, changes, shares


class Uncertainty:
    """Compare the spread of the sampled maps of all test scans with the truth.

    Maps are those against the own reconstruction. Scans are computed one by one.

    Args:
        explainer: test split and network.
        training: the training split, for the phenotypes of each class.
        validation: scans of the validation split, transformed, by which intervals are calibrated; None or empty for none.
        attribute_sources: sources of attributes, each measured for itself: "mixture", "prior", "training".
        levels: probabilities that intervals are to hold the change.
        num_bins: groups of voxels of similar spread, and of similar mean inside each, whose calibrated intervals are found apart.
        num_calibration: validation scans, at most, by which each direction is calibrated.
        lesion_threshold: share of the mean change in a parcel from which on a map shows it as lesioned.
        least_share: share of the translations from which on a phenotype counts as covered.
        preprocessing: how scans become network input, kept with the calibration.

    Raises:
        ValueError: When a source is unknown, or levels or numbers of groups are impossible.
    """

    def __init__(
        self,
        explainer: TranslatingExplainer,
        training: TrainingClasses,
        validation: Dataset | None = None,
        attribute_sources: Sequence[str] = ("prior",),
        levels: Sequence[float] = (0.5, 0.8, 0.9, 0.95),
        num_bins: Sequence[int] = (10, 50),
        num_calibration: int = 40,
        lesion_threshold: float = 0.5,
        least_share: float = 0.01,
        preprocessing: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(attribute_sources, str) or not set(attribute_sources) <= set(explainer.sources):
            accepted = f"a list of {', '.join(explainer.sources)}, such as ['mixture']"
            raise ValueError(f"uncertainty#attribute_sources must be {accepted}, got {attribute_sources!r}")
        for name in attribute_sources:
            explainer.sources[name].check()
        if not all(0 < level < 1 for level in levels):
            raise ValueError(f"uncertainty#levels must lie between 0 and 1, got {list(levels)}")
        if np.shape(num_bins) != (2,) or min(num_bins) < 1:
            raise ValueError(f"uncertainty#num_bins must be two numbers of at least 1, got {num_bins}")
        self.explainer, self.split, self.training = explainer, explainer.split, training
        self.validation = None if validation is None else Split(validation, self.split.num_classes)
        self.attribute_sources, self.levels, self.num_bins = list(attribute_sources), list(levels), list(num_bins)
        self.num_calibration, self.lesion_threshold, self.least_share = num_calibration, lesion_threshold, least_share
        self.preprocessing = dict(preprocessing or {})
        self.calibrations: dict[tuple[str, int], Calibration] = {}  # of the last run, by source and class
        self._phenotypes: dict[tuple[bool, int], dict[Phenotype, float]] = {}
        self._drawn: dict[tuple[str, str, int], list[list[Phenotype]]] = {}

    def describe(self) -> dict[str, Any]:
        """Return what decides the figures."""
        names = ("attribute_sources", "levels", "num_bins", "num_calibration", "lesion_threshold", "least_share")
        return {name: getattr(self, name) for name in names}

    def list_gaps(self) -> list[str]:
        """Return a sentence when the last `run` found nothing to calibrate intervals by."""
        lacking = self.attribute_sources and not self.calibrations
        return ["no validation scan whose true change is known: no calibrated intervals"] if lacking else []

    def run(self, share: Share = share_work) -> dict[str, pd.DataFrame]:
        """Measure all test scans in every direction with a known truth.

        Args:
            share: computes the scans.

        Returns:
            The tables `uncertainty` and `diversity`; empty where nothing is measured or known.
        """
        self._drawn.clear()
        self.calibrations.clear()
        rows: list[dict[str, Any]] = []
        targets = range(self.split.num_classes)
        pairs = [(source, target) for source in self.attribute_sources for target in targets]
        calibrations = share_work(pairs, lambda pair: self.calibrate(*pair))
        self.calibrations |= {pair: each for pair, each in zip(pairs, calibrations, strict=True) if each is not None}
        for source in self.attribute_sources:
            for target in targets:
                indices = np.flatnonzero(self.split.labels != target).tolist()
                measure = partial(self._measure_scan, source=source, target=target)
                for measured in filter(None, share(indices, measure, f"spread of maps, {source}")):
                    rows.append(measured[0])
                    if measured[1] is not None:
                        drawn = [tuple(phenotype) for phenotype in measured[1]]
                        self._drawn.setdefault((measured[0]["split"], source, target), []).append(drawn)
        diversity = []
        for (split, source, target), known, scans in self._list_drawn():
            about = {"split": split, "direction": self.split.name_direction(0, target), "draws": source}
            shares = count_shares(phenotype for scan in scans for phenotype in scan)
            diversity += [about | row for row in compare_phenotypes(shares, known)]
        return {"uncertainty": pd.DataFrame(rows), "diversity": pd.DataFrame(diversity)}

    def _measure_scan(self, index: int, source: str, target: int) -> tuple[dict[str, Any], list[Phenotype] | None] | None:
        """Return the row of a test scan towards a class, and the phenotypes its maps show; None where no change is known."""
        sample = self.sample(self.split, index, source, target)
        if sample is None:
            return None
        direction = self.split.name_direction(sample.scan.label, target)
        row = self.split.describe(index) | {"direction": direction, "draws": source} | self.measure(sample, target)
        maps, changes, shares = sample.select()
        for interval in make_intervals(maps, self.levels, self.calibrations.get((source, target))):
            row |= measure_coverage(interval, changes, shares)
        return row, self._find_phenotypes(sample, target)

    def calibrate(self, source: str, target: int) -> Calibration | None:
        """Find the calibrated intervals of a source and a target class in the validation split; None without known changes."""
        if self.validation is None:
            return None
        parts = []
        for _, sample in self._sample_all(self.validation, source, target, "calibration", self.num_calibration):
            maps, changes, shares = sample.select()
            images = maps.mean(0), maps.std(0, ddof=1), changes, shares[:, None]
            parts.append([np.broadcast_to(image, changes.shape).ravel() for image in images])
        if not parts:
            return None
        mean, spread, change, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
        return calibrate(mean, spread, change, weights, self.levels, self.num_bins)

    def save_calibrations(self, path: Path) -> None:
        """Save the calibrations that inference needs, of the first source that inference has; nothing where there are none."""
        for name in self.attribute_sources:
            calibrations = {target: each for (source, target), each in self.calibrations.items() if source == name}
            source, augmentation = self.explainer.sources[name], self.explainer.augmentation
            if calibrations and isinstance(source, PriorSource):
                return save_calibrations(path, calibrations, describe_sampling(source, augmentation, self.preprocessing))

    def measure(self, sample: Sample, target: int) -> dict[str, float]:
        """Return how the spread of a scan's maps towards a class goes with their error and with the true spread of subjects."""
        mean, spread, inside = sample.maps.mean(0), sample.maps.std(0), sample.scan.brain
        error, true = sample.changes.error(mean), self.find_true_spread(sample.scan, target)
        return {
            "error_correlation": correlate(spread[inside], error[inside]),
            "spread_correlation": np.nan if true is None else correlate(spread[inside], true[inside]),
            "mean_ncc": float(compute_ncc(mean[None], sample.changes.mean()[None], inside[None])),
            "spread": float(spread[inside].mean()),
            "error": float(error[inside].mean()),
            "true_spread": np.nan if true is None else float(true[inside].mean()),
        }

    def sample(self, split: Split, index: int, source: str, target: int) -> Sample | None:
        """Return the maps of a scan of a split with the attributes of a source, and its true changes; None where unknown."""
        scan = split.load(index)
        changes = find_changes(scan, target, self._list_phenotypes(split, target))
        if changes is None:
            return None
        attributes = {target: self.explainer.sources[source].draw(target)}
        scans = self.explainer.encode_batch([index], split)
        maps = single_maps(scans, torch.tensor([target]), attributes, self.explainer.chunk_size)
        return Sample(scan, maps[:, 0].cpu(), changes)

    def find_true_spread(self, scan: Scan, target: int) -> Tensor | None:
        """Return the standard deviation of a control's change over the phenotypes of the training split, None where unknown."""
        if scan.label > 0 or scan.disease_map is not None:
            return None
        changes = find_changes(scan, target, self.training.describe(target).phenotypes)
        return None if changes is None else changes.spread()

    def summarise(self, table: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
        """Return rows of `metrics.csv` on the last `run` and its table, of the methods `sampled_` and the name of a source."""
        parts = []
        for (split, source, direction), group in table.groupby(["split", "draws", "direction"], sort=False):
            columns = {name: group[name].dropna().to_numpy() for name in table if name not in ABOUT}
            rows = [{"metric": name} | bootstrap.estimate(mean_of(x), len(x)) for name, x in columns.items() if len(x)]
            parts.append(pd.DataFrame(rows).assign(split=split, method=f"sampled_{source}", direction=direction))
        for (split, source, target), known, scans in self._list_drawn():
            about = {"split": split, "method": f"sampled_{source}", "direction": self.split.name_direction(0, target)}
            parts.append(summarise_diversity(scans, known, self.least_share, bootstrap).assign(**about))
        return pd.concat(parts, ignore_index=True).assign(protocol=UNCERTAINTY, std=np.nan)

    def _sample_all(
        self, split: Split, source: str, target: int, name: str, most: int | None = None
    ) -> Iterator[tuple[int, Sample]]:
        """Yield position and maps of the scans of a split whose change towards a class is known, `most` at most."""
        sources = np.flatnonzero(split.labels != target).tolist()
        if most is not None and most < len(sources):
            sources = sorted(np.random.default_rng(self.split.seed).choice(sources, most, replace=False).tolist())
        for index in tqdm(sources, desc=f"{name}, {source}", unit="scan", disable=not sources):
            sample = self.sample(split, index, source, target)
            if sample is not None:
                yield index, sample

    def _list_phenotypes(self, split: Split, target: int) -> dict[Phenotype, float]:
        """Return how often each phenotype occurs among the scans of a class in a split; they are read once."""
        key = split is self.validation, target
        if key not in self._phenotypes:
            members = [i for i, label in enumerate(split.labels) if target > 0 and label == target]
            known = [i for i in members if {"mask", "parcel_map"} <= split.rows[i].keys()]
            self._phenotypes[key] = count_shares(find_phenotype(split.load(i)) for i in known)
        return self._phenotypes[key]

    def _list_drawn(self) -> Iterator[tuple[tuple[str, str, int], dict[Phenotype, float], list[list[Phenotype]]]]:
        """Yield split, source and class, the phenotypes of the training split, and those of the maps of each scan."""
        for key, scans in self._drawn.items():
            yield key, self.training.describe(key[2]).phenotypes, scans

    def _find_phenotypes(self, sample: Sample, target: int) -> list[Phenotype] | None:
        """Return which phenotypes the maps of a control show; None for other scans."""
        scan = sample.scan
        if scan.label > 0 or scan.parcel_map is None or scan.disease_map is not None:
            return None
        every = tuple(sorted({parcel for phenotype in self.training.describe(target).phenotypes for parcel in phenotype}))
        full = find_changes(scan, target, {every: 1.0})
        assert full is not None  # as the changes of the sample are known
        return detect_phenotypes(sample.maps, full.images[0], scan.parcel_map, self.lesion_threshold)


def correlate(first: Tensor, second: Tensor) -> float:
    """Return Pearson's correlation of two sets of values (V,); NaN where one does not vary."""
    values = torch.stack([first, second]).double()
    return float(torch.corrcoef(values)[0, 1]) if bool((values.amax(1) > values.amin(1)).all()) else np.nan
