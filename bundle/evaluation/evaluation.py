"""Evaluation of a method on the test split of a cohort."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pandas as pd
from torch import Tensor

from bundle.data.descriptions import describe
from bundle.evaluation.ages import Ages, summarise_ages
from bundle.evaluation.bootstrap import Bootstrap
from bundle.evaluation.classification import Classes
from bundle.evaluation.encodings import Encodings
from bundle.evaluation.explainers import Explainer
from bundle.evaluation.longitudinal import Longitudinal, summarise_pairs
from bundle.evaluation.map_metrics.regions import summarise_regions
from bundle.evaluation.map_metrics.scorer import MapScorer
from bundle.evaluation.map_metrics.scores import summarise_scores
from bundle.evaluation.map_metrics.volumes import Ventricles, summarise_volumes
from bundle.evaluation.names import COLUMNS, WAYS
from bundle.evaluation.origin import Origin
from bundle.evaluation.progress import Progress
from bundle.evaluation.reporting.gaps import find_gaps
from bundle.evaluation.reporting.results import INDEX, OPTIONAL, Results
from bundle.evaluation.reporting.tables import format_results
from bundle.evaluation.uncertainty.spread import Uncertainty
from bundle.files import announce
from bundle.ranks import is_first
from bundle.records import compute_fingerprint, list_versions
from bundle.workers import fingerprint_code

CALIBRATION = "calibration.pt"


class ScanPages(Protocol):
    """Writes pages of the test scans, see `bundle.viewer.EvaluationPages`."""

    def describe(self) -> Mapping[str, Any]:
        """Return what decides the pages."""

    def begin(self, encodings: Encodings, places: Sequence[tuple[int, int]], run: str, warnings: Sequence[str] = ()) -> None:
        """Begin the pages of scans, each with the class that its maps lead to."""

    def write_scan(
        self, place: tuple[int, int], maps: Mapping[str, Tensor], variance: Tensor, scores: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Write the page of a scan, and return what that of all scans shows of it, in the types of JSON."""

    def has_page(self, shown: Mapping[str, Any]) -> bool:
        """Return whether the page of a scan is there."""

    def finish(self, shown: Sequence[Mapping[str, Any]]) -> None:
        """Write the page of all scans."""


class Evaluation:
    """Answer questions about a trained method on the test split, seen and unseen anatomies apart.

    Source: Bass et al., NeurIPS 2020, Sec. 4 (https://arxiv.org/abs/2006.08287).

    Args:
        results: where the tables go.
        bootstrap: how intervals are found.
        explainer: the method.
        maps: do its maps show what they should?
        classes: do its predictions and latents separate the classes?
        pairs: do the maps between two scans of one participant show what changed? None for methods without attributes.
        volumes: do translations change the ventricles as much as they should? Likewise.
        ages: is the age predicted, and reached by translation? Likewise.
        uncertainty: does the spread of sampled maps show where they are wrong? Likewise.
        origin: where the network comes from, named in all outputs; None for a network of no file.
        pages: writes pages of the test scans, of a network with a classifier; None for none.
    """

    def __init__(
        self,
        results: Results,
        bootstrap: Bootstrap,
        explainer: Explainer,
        maps: MapScorer,
        classes: Classes,
        pairs: Longitudinal | None = None,
        volumes: Ventricles | None = None,
        ages: Ages | None = None,
        uncertainty: Uncertainty | None = None,
        origin: Origin | None = None,
        pages: ScanPages | None = None,
    ) -> None:
        self.results, self.bootstrap, self.explainer, self.split = results, bootstrap, explainer, explainer.split
        self.maps, self.classes, self.pairs, self.volumes = maps, classes, pairs, volumes
        self.ages, self.uncertainty, self.origin, self.pages = ages, uncertainty, origin, pages

    def run(self) -> pd.DataFrame:
        """Evaluate, write the tables and `settings.json`, and print the results.

        Tables are `metrics.csv`, `scans.csv`, `predictions.csv`, and where the cohort has what they need `pairs.csv`,
        `volumes.csv`, `regions.csv`, `ages.csv`, `uncertainty.csv` and `diversity.csv`; those of an earlier run that this one
        does not write are removed. Several processes share the scans, and the first writes and prints. Batches that an evaluation
        with the same settings has finished before it was stopped are not computed again.

        Returns:
            The contents of `metrics.csv`; an empty table in other processes than the first.

        Raises:
            OSError: When nothing can be written to the folder.
            ValueError: When another process evaluates there, or the lesion mask of a diseased scan is empty.
        """
        with self.results.hold():
            return self._run()

    def _run(self) -> pd.DataFrame:
        warnings = self.list_warnings() if is_first() else []
        progress = Progress(self.results.folder, self.fingerprint())
        encodings = self.explainer.encode()
        pages = self.pages if encodings.probabilities.shape[1] else None
        if pages is not None:
            places = [(index, target) for batch, target in self._list_batches(True) for index in batch]
            pages.begin(encodings, places, progress.fingerprint, self._shorten(warnings))
        tables, shown = self.measure(encodings, progress, pages)
        if not is_first():
            return pd.DataFrame()
        metrics = pd.concat([*self._summarise(tables), self.classes.score(encodings, self.bootstrap)], ignore_index=True)
        metrics = metrics.assign(cohort=self.split.cohort)[list(COLUMNS)]
        predictions = self.classes.list_predictions(encodings)
        settings = {**self.describe(), **(self.origin.describe() if self.origin else {}), "warnings": warnings}
        self.results.begin()
        self.results.write_images(self.maps.kept)
        if self.uncertainty is not None:
            self.uncertainty.save_calibrations(self.results.folder / CALIBRATION)
        self.results.write_tables({"metrics": metrics, **tables, "predictions": predictions}, settings)
        if pages is None:
            self.results.remove_pages()
        else:
            pages.finish(shown)  # with links to the tables
        progress.remove()
        print(format_results(metrics, self.results.headline, self.list_gaps()))
        print(*(self.origin.list_lines() if self.origin else []), *(f"Warning: {sentence}." for sentence in warnings), sep="\n")
        announce(self.results.folder, {
            INDEX: "all test scans, with a page for each that has a map, for any browser",
            "metrics.csv": "figures with intervals", "predictions.csv": "class of each test scan",
            **({"scans.csv": "figures of each map"} if len(tables["scans"]) else {}),
            **{f"{name}.csv": "see docs/outputs.md" for name in OPTIONAL}, "maps.npz": "maps of a few scans",
            CALIBRATION: "intervals, for inference", "settings.json": "settings, the checkpoint, and warnings",
        })  # fmt: skip
        return metrics

    def list_warnings(self) -> list[str]:
        """Return a sentence for each reason for which the figures may mislead: another cohort, or training scans."""
        return self.origin.list_warnings(self.split) if self.origin else []

    def fingerprint(self) -> str:
        """Return a hash of all that decides the scores of single scans: settings, weights, rows and files of scans, and code."""
        datasets, regions = [self.split.dataset, self.maps.training.dataset], self.maps.regions
        if self.uncertainty is not None and self.uncertainty.validation is not None:
            datasets.append(self.uncertainty.validation.dataset)
        rows = [dict(row) for dataset in datasets for row in dataset.data]
        settings = {**self.describe(), **(self.origin.describe() if self.origin else {})}
        try:
            transforms: Any = [describe(each.transform) for each in datasets]
        except ValueError:  # nothing will be found again
            transforms = uuid4().hex
        pages = None if self.pages is None else self.pages.describe()
        parts = [settings, pages, rows, transforms, fingerprint_code(), list_versions()]
        measured = None if regions is None else {name: value for name, value in vars(regions).items() if name != "split"}
        values = [value for row in rows for value in row.values() if isinstance(value, str | Path)]
        files = [value for value in values if os.path.isfile(value)]  # noqa: PTH113  # Path.is_file raises on long texts
        return compute_fingerprint(parts, measured, files=[*files, *([self.origin.checkpoint] if self.origin else [])])

    def measure(
        self, encodings: Encodings, progress: Progress, pages: ScanPages | None = None
    ) -> tuple[dict[str, pd.DataFrame], list[dict[str, Any]]]:
        """Return the scores of single scans, and what the page of all scans shows of each.

        Scores are tables by name, empty where the cohort lacks what they need.
        """
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("scans", "pairs", "volumes", "regions", "ages")}
        answers = [part.run(encodings.attribute, progress.share_work) for part in (self.pairs, self.ages) if part is not None]
        scores, shown = self.score_maps(encodings, progress, pages)
        for answer in [*answers, scores]:
            for name, part in answer.items():
                rows[name] += part
        tables = {name: pd.DataFrame(part) for name, part in rows.items()}
        empty = {name: pd.DataFrame() for name in ("uncertainty", "diversity")}
        return tables | (empty if self.uncertainty is None else self.uncertainty.run(progress.share_work)), shown

    def score_maps(
        self, encodings: Encodings, progress: Progress, pages: ScanPages | None = None
    ) -> tuple[dict[str, list[dict[str, Any]]], list[dict[str, Any]]]:
        """Return the rows of the tables `scans`, `volumes` and `regions` on maps towards other classes, and what pages show."""
        score = partial(self._score_batch, attribute=encodings.attribute, pages=pages)

        def is_whole(rows: Mapping[str, Any]) -> bool:  # images are not on disk, and pages may have been removed
            return not rows["kept"] and (pages is None or all(pages.has_page(each) for each in rows["shown"]))

        parts = progress.share_work(self._list_batches(pages is not None), score, "maps", "batch", is_whole)
        self.maps.share_kept()
        tables = {name: [row for part in parts for row in part[name]] for name in ("scans", "volumes", "regions")}
        return tables, [each for part in parts for each in part["shown"]]

    def _list_batches(self, all_scans: bool) -> list[tuple[list[int], int]]:
        """Return positions of scans that are explained, and the class that their maps lead to; see `MapScorer.list_batches`."""
        directions = [pair for pair in self.split.list_directions() if self.explainer.explains(*pair)]
        return self.maps.list_batches(directions, all_scans)

    def _shorten(self, sentences: Sequence[str]) -> list[str]:
        """Return sentences with the name of the network's file in place of its path, for pages that are passed on."""
        path = self.origin.checkpoint if self.origin else Path()
        return [sentence.replace(str(path), path.name) if path.name else sentence for sentence in sentences]

    def _score_batch(self, batch: tuple[Sequence[int], int], attribute: Tensor, pages: ScanPages | None) -> dict[str, list]:
        """Return what `score_maps` does of some scans towards a class, and the names of images that are `kept` of them."""
        (indices, target), known = batch, set(self.maps.kept)
        rows: dict[str, list] = {"scans": [], "volumes": [], "regions": [], "shown": []}
        made, variance = self.explainer.make_maps_and_variance(indices, target, attribute)
        for position, index in enumerate(indices):
            maps = {method: images[position] for method, images in made.items()}
            scores = []
            if self.maps.has_truth(index, target):
                scores = self.maps.score_scan(index, target, maps)
                rows["volumes"] += self._compare_volumes(index, target, maps)
                rows["regions"] += self.maps.regions.measure(index, target, maps) if self.maps.regions is not None else []
            rows["scans"] += scores
            if pages is not None and variance is not None:
                rows["shown"].append(pages.write_scan((index, target), maps, variance[position], scores))
        return {**rows, "kept": sorted(set(self.maps.kept) - known)}

    def _compare_volumes(self, index: int, target: int, maps: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """Return the rows of the table `volumes` of a scan towards a class."""
        if self.volumes is None or not self.volumes.covers(index, target):
            return []
        rows, image = [], self.split.stack([index])[0]
        for way in WAYS:
            translated = image + maps[f"{way}_input"]
            rows.append(self.volumes.compare(index, way, translated - maps[f"{way}_reconstruction"], translated))
        return rows

    def describe(self) -> dict[str, Any]:
        """Return what decides the results, but for the images; `settings.json` holds it."""
        measures = [part.describe() for part in (self.volumes, self.ages) if part is not None]
        return {
            "cohort": self.split.cohort,
            "headline": self.results.headline,
            "num_scans": len(self.split),
            **self.explainer.describe(),
            "uncertainty": None if self.uncertainty is None else self.uncertainty.describe(),
            "interval": self.bootstrap.describe(),
            "measures": {name: value for part in measures for name, value in part.items()},
        }

    def list_gaps(self) -> list[str]:
        """Return a sentence for all that the cohort's columns, gaps in them, or the network do not allow to be computed."""
        parts = [part for part in (self.split, self.classes, self.ages, self.uncertainty, self.explainer) if part is not None]
        return [*find_gaps(self.split.rows), *(sentence for part in parts for sentence in part.list_gaps())]

    def _summarise(self, tables: dict[str, pd.DataFrame]) -> list[pd.DataFrame]:
        """Return the rows of `metrics.csv` on each table that is not empty."""
        summaries: dict[str, Callable[[pd.DataFrame, Bootstrap], pd.DataFrame]] = {
            "scans": summarise_scores,
            "pairs": summarise_pairs,
            "volumes": summarise_volumes,
            "regions": summarise_regions,
            "ages": lambda table, bootstrap: summarise_ages(table, self.maps.training.mean_age(), bootstrap),
        }
        if self.uncertainty is not None:
            summaries["uncertainty"] = self.uncertainty.summarise
        return [summarise(tables[name], self.bootstrap) for name, summarise in summaries.items() if len(tables[name])]
