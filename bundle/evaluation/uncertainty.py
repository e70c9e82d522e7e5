"""Whether the spread of sampled maps tells where and by how much they are wrong, and how persons differ.

Cohorts whose truth is known say so: the true change of a scan is one (its own lesion that goes, its own disease map) or, where
disease is added, one for each phenotype of the scans of the target class, as often as it occurs among them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from monai.data import Dataset
from torch import Tensor
from tqdm import tqdm

from bundle.attribution import single_maps
from bundle.attribution.conformal import Calibration, calibrate
from bundle.evaluation.changes import Phenotype, Sample, find_changes, find_phenotype
from bundle.evaluation.comparison import Comparison
from bundle.evaluation.draws import check_draws
from bundle.evaluation.estimates import estimate, mean_of
from bundle.evaluation.intervals import make_intervals, measure_coverage
from bundle.evaluation.pairing import Row, name_direction
from bundle.evaluation.scorer import MapScorer
from bundle.evaluation.truths import knows_parcels
from bundle.evaluation.variety import compare_phenotypes, count_shares, summarise_variety, tell_phenotypes
from bundle.metrics import compute_ncc

UNCERTAINTY = "uncertainty"  # protocol, in metrics.csv, of these figures
ABOUT = ("scan", "participant_id", "session_id", "split", "label", "direction", "draws")


class Settings(NamedTuple):
    """What decides the figures; all of it is YAML.

    Attributes:
        draws: how attributes are drawn, each for itself: "prior", "bank".
        levels: probabilities that intervals are to hold the change.
        num_bins: groups of voxels of similar spread, and of similar mean inside each, whose calibrated intervals are found apart.
        num_calibration: validation scans, at most, by which each direction is calibrated.
        lesion_threshold: share of the mean change in a parcel from which on a map shows it as lesioned.
        least_share: share of the translations from which on a phenotype counts as covered.
    """

    draws: Sequence[str] = ("prior",)
    levels: Sequence[float] = (0.5, 0.8, 0.9, 0.95)
    num_bins: Sequence[int] = (10, 50)
    num_calibration: int = 40
    lesion_threshold: float = 0.5
    least_share: float = 0.01

    def check(self) -> None:
        """Refuse settings before anything is computed.

        Raises:
            ValueError: When a way to draw is unknown, or levels or numbers of groups are impossible.
        """
        if isinstance(self.draws, str):
            raise ValueError(f"uncertainty#draws must be a list, such as ['prior'], got {self.draws!r}")
        for kind in self.draws:
            check_draws(kind)
        if not all(0 < level < 1 for level in self.levels):
            raise ValueError(f"uncertainty#levels must lie between 0 and 1, got {list(self.levels)}")
        if np.shape(self.num_bins) != (2,) or min(self.num_bins) < 1:
            raise ValueError(f"uncertainty#num_bins must be two numbers of at least 1, got {self.num_bins}")


class Uncertainty:
    """Compare the spread of the sampled maps of all test scans with what is known.

    Maps are those against the own reconstruction. Scans are computed one by one.

    Args:
        comparison: test split and network.
        validation: scans of the validation split, transformed, by which intervals are calibrated; None or empty for none.
        settings: fields of `Settings`.

    Raises:
        ValueError: When a setting is not accepted.
    """

    def __init__(self, comparison: Comparison, validation: Dataset | None, settings: Mapping[str, Any]) -> None:
        self.comparison, self.settings = comparison, Settings(**settings)
        self.settings.check()
        count = len(validation) if validation is not None else 0
        names, none = ["validation"] * count, [dict[int, int]()] * count
        self.validation = (
            MapScorer(validation, comparison.train, names, none, comparison.num_classes) if validation is not None else None
        )
        self.calibrations: dict[tuple[str, int], Calibration] = {}  # of the last run, by draws and class
        self._phenotypes: dict[tuple[bool, int], dict[Phenotype, float]] = {}
        self._drawn: dict[tuple[str, str, int], list[list[Phenotype]]] = {}

    def describe(self) -> dict[str, Any]:
        """Return what decides the figures."""
        settings = self.settings._asdict()
        return {name: list(value) if isinstance(value, Sequence) else value for name, value in settings.items()}

    def run(self) -> pd.DataFrame:
        """Measure all test scans in every direction of which something is known.

        Returns:
            The contents of `uncertainty.csv`; `compare_variety` and `summarise` are about the same scans.
        """
        self._drawn.clear()
        self.calibrations.clear()
        rows: list[dict[str, Any]] = []
        for kind in self.settings.draws:
            for target in range(self.comparison.num_classes):
                calibration = self.calibrate(kind, target)
                if calibration is not None:
                    self.calibrations[kind, target] = calibration
                for index, sample in self._sample_all(self.comparison, kind, target, "spread of maps"):
                    about = self._describe(index, target, kind)
                    rows.append(about | self.measure(sample, target) | self._cover(sample, calibration))
                    self._note_phenotypes(sample, target, kind, about["split"])
        return pd.DataFrame(rows)

    def calibrate(self, kind: str, target: int) -> Calibration | None:
        """Find the calibrated intervals of a direction from the validation split; None where it knows no change.

        Args:
            kind: how attributes are drawn.
            target: class that scans are translated to.
        """
        if self.validation is None:
            return None
        parts = []
        for _, sample in self._sample_all(self.validation, kind, target, "calibration", self.settings.num_calibration):
            maps, changes, shares = sample.select()
            mean, spread = maps.mean(0), maps.std(0, ddof=1)
            images = (mean, spread, changes, shares[:, None])
            parts.append([np.broadcast_to(image, changes.shape).ravel() for image in images])
        if not parts:
            return None
        mean, spread, change, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
        return calibrate(mean, spread, change, weights, self.settings.levels, self.settings.num_bins)

    def measure(self, sample: Sample, target: int) -> dict[str, float]:
        """Return how the spread of a scan's maps goes with their error and with the true spread between subjects.

        Args:
            sample: the scan's maps.
            target: class that it is translated to.
        """
        mean, spread, inside = sample.maps.mean(0), sample.maps.std(0), sample.inside
        error, true = sample.changes.error(mean), self.find_true_spread(sample.scan, target)
        expected = sample.changes.mean()
        return {
            "error_correlation": correlate(spread[inside], error[inside]),
            "spread_correlation": np.nan if true is None else correlate(spread[inside], true[inside]),
            "mean_ncc": float(compute_ncc(mean[None], expected[None], inside[None])),
            "spread": float(spread[inside].mean()),
            "error": float(error[inside].mean()),
            "true_spread": np.nan if true is None else float(true[inside].mean()),
        }

    def sample(self, scorer: MapScorer, index: int, kind: str, target: int) -> Sample | None:
        """Return the sampled maps of a scan, beside its true changes; None where they are not known.

        Args:
            scorer: split of the scan.
            index: its position there.
            kind: how attributes are drawn.
            target: class that it is translated to.
        """
        if int(scorer.test.data[index]["label"]) == target:
            return None
        scan = scorer.load(index)
        changes = find_changes(scan, target, self._list_phenotypes(scorer, target))
        if changes is None:
            return None
        drawn, mirrored = self.comparison.draw(kind, target)
        image = scan["image"][None].to(self.comparison.device)
        sampling = {name: self.comparison.sampling[name] for name in ("chunk_size", "viewing")}
        sampling["mirrored"] = None if mirrored is None else {target: mirrored}
        maps = single_maps(self.comparison.network, image, torch.tensor([target]), {target: drawn}, **sampling)[:, 0].cpu()
        inside = scan["brain_mask"] > 0.5 if "brain_mask" in scan else torch.ones_like(scan["image"], dtype=torch.bool)
        return Sample(scan, maps, changes, inside)

    def find_true_spread(self, scan: Row, target: int) -> Tensor | None:
        """Return the standard deviation of a control's change over the phenotypes of the training split, None where unknown.

        Args:
            scan: the scan, loaded.
            target: class that it is translated to.
        """
        if int(scan["label"]) > 0 or "disease_map" in scan:
            return None
        changes = find_changes(scan, target, self.comparison.describe_target(target).phenotypes)
        return None if changes is None else changes.spread()

    def compare_variety(self) -> pd.DataFrame:
        """Return the contents of `variety.csv` on the scans of the last `run`; empty where phenotypes are unknown."""
        rows = []
        for (split, kind, target), scans in self._drawn.items():
            about = {"split": split, "direction": self.name(0, target), "draws": kind}
            drawn = count_shares(phenotype for scan in scans for phenotype in scan)
            rows += [about | row for row in compare_phenotypes(drawn, self.comparison.describe_target(target).phenotypes)]
        return pd.DataFrame(rows)

    def summarise(self, table: pd.DataFrame, **interval: Any) -> pd.DataFrame:
        """Summarise the last `run` over scans.

        Args:
            table: what it returned.
            interval: `level`, `num_resamples` and `seed` of the bootstrap over scans.

        Returns:
            Rows of `metrics.csv`, of the methods `sampled_prior` and `sampled_bank`.
        """
        parts = list(_summarise_scans(table, interval))
        for (split, kind, target), scans in self._drawn.items():
            about = {"split": split, "method": f"sampled_{kind}", "direction": self.name(0, target)}
            known = self.comparison.describe_target(target).phenotypes
            parts.append(summarise_variety(scans, known, self.settings.least_share, **interval).assign(**about))
        return pd.concat(parts, ignore_index=True).assign(protocol=UNCERTAINTY, std=np.nan)

    def _sample_all(
        self, scorer: MapScorer, kind: str, target: int, name: str, most: int | None = None
    ) -> Iterator[tuple[int, Sample]]:
        """Yield position and maps of the scans of a split whose change towards a class is known, `most` at most."""
        sources = [index for index, row in enumerate(scorer.test.data) if int(row["label"]) != target]
        if most is not None and most < len(sources):
            sources = sorted(np.random.default_rng(self.comparison.seed).choice(sources, most, replace=False).tolist())
        for index in tqdm(sources, desc=f"{name}, {kind}", unit="scan", disable=not sources):
            sample = self.sample(scorer, index, kind, target)
            if sample is not None:
                yield index, sample

    def _list_phenotypes(self, scorer: MapScorer, target: int) -> dict[Phenotype, float]:
        """Return how often each phenotype occurs among the scans of a class in a split; they are read once."""
        key = scorer is self.validation, target
        if key not in self._phenotypes:
            rows = enumerate(scorer.test.data)
            members = [i for i, row in rows if target > 0 and int(row["label"]) == target and knows_parcels(row)]
            self._phenotypes[key] = count_shares(find_phenotype(scorer.load(i)) for i in members)
        return self._phenotypes[key]

    def _cover(self, sample: Sample, calibration: Calibration | None) -> dict[str, float]:
        maps, changes, shares = sample.select()
        figures: dict[str, float] = {}
        for interval in make_intervals(maps, self.settings.levels, calibration):
            figures |= measure_coverage(interval, changes, shares)
        return figures

    def _note_phenotypes(self, sample: Sample, target: int, kind: str, split: str) -> None:
        """Keep which phenotypes the maps of a control show."""
        scan = sample.scan
        if int(scan["label"]) > 0 or "parcel_map" not in scan or "disease_map" in scan:
            return
        known = self.comparison.describe_target(target).phenotypes
        every = tuple(sorted({parcel for phenotype in known for parcel in phenotype}))
        full = find_changes(scan, target, {every: 1.0})
        assert full is not None  # as the changes of the sample are known
        shown = tell_phenotypes(sample.maps, full.images[0], scan["parcel_map"], self.settings.lesion_threshold)
        self._drawn.setdefault((split, kind, target), []).append(shown)

    def _describe(self, index: int, target: int, kind: str) -> dict[str, Any]:
        about = self.comparison.describe(index)
        return about | {"direction": self.name(about["label"], target), "draws": kind}

    def name(self, source: int, target: int) -> str:
        """Return the name of a direction."""
        return name_direction(source, target, self.comparison.num_classes)


def correlate(first: Tensor, second: Tensor) -> float:
    """Return Pearson's correlation of two sets of values (V,); NaN where one does not vary."""
    values = torch.stack([first, second]).double()
    return float(torch.corrcoef(values)[0, 1]) if bool((values.amax(1) > values.amin(1)).all()) else np.nan


def _summarise_scans(table: pd.DataFrame, interval: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
    """Yield the means over scans, with intervals, by split, draws and direction."""
    for (split, kind, direction), group in table.groupby(["split", "draws", "direction"], sort=False):
        rows = []
        for metric in (column for column in table if column not in ABOUT):
            values = group[metric].dropna().to_numpy()
            if len(values):
                rows.append({"metric": metric} | estimate(mean_of(values), len(values), **interval))
        yield pd.DataFrame(rows).assign(split=split, method=f"sampled_{kind}", direction=direction)
