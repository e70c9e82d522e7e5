"""Examination of a method beyond the agreement of its maps with the truth."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from monai.utils import ensure_tuple_rep
from torch import Tensor

from bundle.checkpoints import hash_weights
from bundle.evaluation import counterfactuals, randomisation, removal
from bundle.evaluation.cases import Case, choose_scans, list_directions
from bundle.evaluation.classification import score_classes
from bundle.evaluation.counterfactuals import COUNTERFACTUAL, measure_realism, score_counterfactuals
from bundle.evaluation.encoding import split_range, stack_images
from bundle.evaluation.explainers import Explainer
from bundle.evaluation.judge import Judge
from bundle.evaluation.randomisation import RANDOMISATION, compare_shuffled
from bundle.evaluation.removal import REMOVAL, Removal
from bundle.evaluation.results import write_tables
from bundle.evaluation.scoring import COLUMNS, summarise
from bundle.evaluation.tables import format_examination
from bundle.files import check_writable

JUDGE = "judge"
METRICS = {REMOVAL: removal.METRICS, RANDOMISATION: randomisation.METRICS, COUNTERFACTUAL: counterfactuals.METRICS}
NAMES = {
    "": "the judge",
    REMOVAL: "voxels removed in the order of the map; deletion is good when low, insertion when high",
    RANDOMISATION: "NCC of maps with those of shuffled weights; good when low",
    COUNTERFACTUAL: "translated scans",
}


class Examination:
    """Ask whether a judge needs the voxels that maps name, whether maps depend on weights, and what translations are worth.

    Source: see `Removal`, `compare_shuffled` and `score_counterfactuals`.

    Args:
        explainer: the method, or several that explain one network.
        judge: classifier that was trained apart from it.
        voxel_size: edge of a voxel in mm, for all axes or one an axis.
        shares: shares of a scan's voxels that are removed, rising, in (0, 1].
        blur: standard deviation of the Gaussian that makes what removed voxels are replaced by, mm.
        removal_scans: diseased scans of each split whose voxels are removed; None for all.
        num_shuffles: shuffles of the weights.
        randomisation_scans: diseased scans of each split that are explained with shuffled weights; None for all.
        insensitive_above: mean NCC with the maps of shuffled weights above which a method is marked.
        translation_scans: scans of each split and direction that are translated; None for all.
        batch_size: scans explained at once.
        seed: seed of the scans that are taken, of random orders, shuffles and bootstrap.
        level: probability that an interval covers its figure.
        num_resamples: resamples of the bootstrap.

    Raises:
        ValueError: When the judge has the weights of the examined network, or a setting is impossible.
    """

    def __init__(
        self,
        explainer: Explainer,
        judge: Judge,
        voxel_size: float | Sequence[float] = 1.0,
        shares: Sequence[float] = (0.01, 0.1, 1.0),
        blur: float = 10.0,
        removal_scans: int | None = None,
        num_shuffles: int = 1,
        randomisation_scans: int | None = None,
        insensitive_above: float = 0.5,
        translation_scans: int | None = None,
        batch_size: int = 8,
        seed: int = 0,
        level: float = 0.95,
        num_resamples: int = 2000,
    ) -> None:
        _check_judge(judge, explainer)
        if num_shuffles < 1 or blur <= 0:
            raise ValueError(f"num_shuffles must be at least 1 and blur above 0 mm, got {num_shuffles} and {blur}")
        self.explainer, self.judge, self.batch_size, self.seed = explainer, judge, batch_size, seed
        self.folder = explainer.output_dir / "examination"
        spatial_dims = explainer.scorer.test[0]["image"].ndim - 1
        sigma = [blur / edge for edge in ensure_tuple_rep(voxel_size, spatial_dims)]
        self.removal = Removal(judge, shares, sigma, seed)
        self.num_shuffles, self.insensitive_above = num_shuffles, insensitive_above
        self.counts = {REMOVAL: removal_scans, RANDOMISATION: randomisation_scans, COUNTERFACTUAL: translation_scans}
        self.interval: dict[str, Any] = {"level": level, "num_resamples": num_resamples, "seed": seed}
        self.settings = {"shares": list(self.removal.shares), "blur": blur, "scans": self.counts}

    def run(self) -> pd.DataFrame:
        """Examine, write `metrics.csv`, `scans.csv` and `settings.json`, and print the results.

        Returns:
            The contents of `metrics.csv`.

        Raises:
            OSError: When nothing can be written to the folder.
        """
        check_writable(self.folder)
        probabilities, features = self.look()
        counterfactual, realism = self.score_translations(features)
        parts = {REMOVAL: self.score_removal(), RANDOMISATION: self.score_randomisation(), COUNTERFACTUAL: counterfactual}
        metrics = self._summarise(parts, [self.score_judge(probabilities), *realism])
        scans = pd.concat([part for part in parts.values() if len(part)] or [pd.DataFrame()], ignore_index=True)
        write_tables(self.folder, {"metrics": metrics, "scans": scans}, self.describe())
        print(format_examination(metrics, NAMES, list(self._remark(metrics))))
        return metrics

    def look(self) -> tuple[Tensor, Tensor]:
        """Return class probabilities (N, K) and features (N, F) of all test scans, as the judge sees them."""
        test = self.explainer.scorer.test
        batches = [stack_images([test[i] for i in indices]) for indices in split_range(len(test), self.batch_size)]
        seen = [self.judge.look(batch) for batch in batches]
        return torch.cat([part[0] for part in seen]), torch.cat([part[1] for part in seen])

    def score_judge(self, probabilities: Tensor) -> pd.DataFrame:
        """Return the judge's balanced accuracy in each split, as rows of `metrics.csv`.

        Args:
            probabilities: class probabilities of the test scans, shape (N, K).
        """
        scorer = self.explainer.scorer
        labels = [int(row["label"]) for row in scorer.test.data]
        return score_classes(labels, scorer.splits, {JUDGE: probabilities.numpy()}, **self.interval)

    def score_removal(self) -> pd.DataFrame:
        """Return deletion and insertion, a row a scan and method: rows of `scans.csv`."""
        cases = self._list_cases(REMOVAL)
        return _tabulate(REMOVAL, ((case, row) for case in cases for row in self.removal.score(self.explainer, case)))

    def score_randomisation(self) -> pd.DataFrame:
        """Return the agreement with maps of shuffled weights, a row a scan and method: rows of `scans.csv`."""
        cases, settings = self._list_cases(RANDOMISATION), (self.num_shuffles, self.seed)
        rows = ((case, row) for case in cases for row in compare_shuffled(self.explainer, case, *settings))
        return _tabulate(RANDOMISATION, rows)

    def score_translations(self, features: Tensor) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
        """Return what translated scans scored: rows of `scans.csv`, and those of `metrics.csv` on sets of scans.

        Args:
            features: what the judge sees in the test scans, shape (N, F).
        """
        rows: list[tuple[Case, dict[str, Any]]] = []
        realism: list[pd.DataFrame] = []
        for case in self._list_cases(COUNTERFACTUAL) if self.explainer.translating else ():
            axioms = score_counterfactuals(self.explainer, self.judge, case)
            rows += [(case, row) for row in axioms.rows]
            realism.append(measure_realism(self.explainer, case, axioms.features, features, **self.interval))
        return _tabulate(COUNTERFACTUAL, rows), realism

    def describe(self) -> dict[str, Any]:
        """Return what decides the results, but for the images; `settings.json` holds it."""
        return {
            "cohort": self.explainer.cohort,
            "judge": f"SHA-256 {hash_weights(self.judge.network)}",
            "examined": self.explainer.describe(),
            **self.settings,
            "num_shuffles": self.num_shuffles,
            "insensitive_above": self.insensitive_above,
            "interval": self.interval,
        }

    def _list_cases(self, protocol: str) -> list[Case]:
        """Return the scans of a part: all directions for translations, from disease to control for maps."""
        scorer = self.explainer.scorer
        directions = [pair for pair in list_directions(scorer.num_classes) if self.explainer.explains(*pair)]
        wanted = [(source, target) for source, target in directions if protocol == COUNTERFACTUAL or target == 0]
        cases = [choose_scans(scorer, *pair, self.counts[protocol], self.batch_size, self.seed) for pair in wanted]
        return [case for case in cases if case.indices]

    def _summarise(self, parts: Mapping[str, pd.DataFrame], others: Sequence[pd.DataFrame]) -> pd.DataFrame:
        """Return the contents of `metrics.csv`."""
        known = [summarise(table, METRICS[name], **self.interval) for name, table in parts.items() if len(table)]
        metrics = pd.concat([*others[:1], *known, *others[1:]], ignore_index=True)
        metrics.insert(0, "cohort", self.explainer.cohort)
        compared = metrics["metric"].isin(randomisation.METRICS)
        above = (metrics["mean"] > self.insensitive_above).where(compared)
        return metrics[list(COLUMNS)].assign(insensitive=above.map({True: 1, False: 0}).astype("Int64"))

    def _remark(self, metrics: pd.DataFrame) -> Iterator[str]:
        """Yield a sentence on methods that are marked."""
        marked = dict.fromkeys(metrics[metrics["insensitive"] == 1]["method"])
        if marked:
            yield f"Insensitive to the weights (NCC above {self.insensitive_above}): {', '.join(marked)}."


def _check_judge(judge: Judge, explainer: Explainer) -> None:
    """Refuse a judge that judges itself."""
    own = {hash_weights(network) for network in explainer.networks}
    if hash_weights(judge.network) in own:
        raise ValueError("judge_checkpoint holds the weights of the examined classifier: train a judge apart, with another seed")


def _tabulate(protocol: str, rows: Any) -> pd.DataFrame:
    """Return rows of `scans.csv` of a part."""
    about = ({**row, "direction": case.direction, "protocol": protocol} for case, row in rows)
    return pd.DataFrame(list(about))

