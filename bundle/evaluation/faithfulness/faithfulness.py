"""Faithfulness of a method, beyond the agreement of its maps with the truth."""

from typing import Any

import pandas as pd

from bundle.checkpoints import hash_weights
from bundle.evaluation.bootstrap import Bootstrap
from bundle.evaluation.classification import score_classes
from bundle.evaluation.explainers import Explainer
from bundle.evaluation.faithfulness.counterfactuals import CounterfactualAxioms
from bundle.evaluation.faithfulness.deletion import Deletion
from bundle.evaluation.faithfulness.independent_classifier import IndependentClassifier
from bundle.evaluation.faithfulness.randomisation import Randomisation
from bundle.evaluation.map_metrics.scores import summarise_scores
from bundle.evaluation.names import COLUMNS, COUNTERFACTUAL, DELETION, FAITHFULNESS, RANDOMISATION
from bundle.evaluation.reporting.results import Results
from bundle.evaluation.reporting.tables import format_faithfulness
from bundle.files import announce

INDEPENDENT = "independent_classifier"  # name of its row
NAMES = {
    "": "the independent classifier",
    DELETION: "voxels deleted and inserted in the order of the map; deletion is good when low, insertion when high",
    RANDOMISATION: "NCC of maps with those of shuffled weights; good when low",
    COUNTERFACTUAL: "translated scans",
}


class Faithfulness:
    """Measure how faithful the maps and translations of a method are to its network.

    Args:
        results: where the tables go.
        bootstrap: how intervals are found.
        explainer: the method, or several that explain one network.
        classifier: classifier that was trained apart from it.
        deletion: does the classifier need the voxels that maps mark?
        randomisation: do maps depend on the weights?
        counterfactuals: do translated scans fulfil the axioms?

    Raises:
        ValueError: When the classifier has the weights of the explained network.
    """

    def __init__(
        self,
        results: Results,
        bootstrap: Bootstrap,
        explainer: Explainer,
        classifier: IndependentClassifier,
        deletion: Deletion,
        randomisation: Randomisation,
        counterfactuals: CounterfactualAxioms,
    ) -> None:
        self.weights = hash_weights(classifier.network)
        if self.weights in {hash_weights(network) for network in explainer.networks}:
            raise ValueError(
                "classifier_checkpoint holds the weights of the explained classifier: train one apart, with another seed"
            )
        self.results, self.bootstrap, self.explainer, self.classifier = results, bootstrap, explainer, classifier
        self.deletion, self.randomisation, self.counterfactuals = deletion, randomisation, counterfactuals

    def run(self) -> pd.DataFrame:
        """Measure, write `metrics.csv`, `scans.csv` and `settings.json`, and print the results.

        Returns:
            The contents of `metrics.csv`.

        Raises:
            OSError: When nothing can be written to the folder.
            ValueError: When another process evaluates there.
        """
        with self.results.hold():
            return self._run()

    def _run(self) -> pd.DataFrame:
        probabilities, features = self.classifier.predict_split(self.explainer.split)
        axioms, realism = self.counterfactuals.score(self.explainer, features, self.bootstrap)
        scores = [list(self.deletion.score(self.explainer)), list(self.randomisation.score(self.explainer)), axioms]
        tables = {protocol: pd.DataFrame(rows) for protocol, rows in zip(FAITHFULNESS, scores, strict=True) if rows}
        known = [summarise_scores(table, self.bootstrap, FAITHFULNESS[name]) for name, table in tables.items()]
        classes = score_classes(self.explainer.split, {INDEPENDENT: probabilities.numpy()}, self.bootstrap)
        metrics = pd.concat([classes, *known, *realism], ignore_index=True).assign(cohort=self.explainer.split.cohort)
        compared = metrics["metric"].isin(FAITHFULNESS[RANDOMISATION])
        above = (metrics["mean"] > self.randomisation.insensitive_above).where(compared)
        metrics = metrics[list(COLUMNS)].assign(insensitive=above.map({True: 1, False: 0}).astype("Int64"))
        scans = pd.concat(list(tables.values()) or [pd.DataFrame()], ignore_index=True)
        self.results.write_tables({"metrics": metrics, "scans": scans}, self.describe())
        marked = dict.fromkeys(metrics[metrics["insensitive"] == 1]["method"])
        remark = f"Insensitive to the weights (NCC above {self.randomisation.insensitive_above}): {', '.join(marked)}."
        print(format_faithfulness(metrics, NAMES, [remark] if marked else []))
        announce(self.results.folder, {
            "metrics.csv": "figures with intervals", "scans.csv": "figures of each map", "settings.json": "settings",
        })  # fmt: skip
        return metrics

    def describe(self) -> dict[str, Any]:
        """Return what decides the results, but for the images; `settings.json` holds it."""
        counts = (self.deletion.num_scans, self.randomisation.num_scans, self.counterfactuals.num_scans)
        return {
            "cohort": self.explainer.split.cohort,
            "classifier": f"SHA-256 {self.weights}",
            "explainer": self.explainer.describe(),
            "shares": self.deletion.shares,
            "blur": self.deletion.blur,
            "scans": dict(zip(FAITHFULNESS, counts, strict=True)),
            "num_shuffles": self.randomisation.num_shuffles,
            "insensitive_above": self.randomisation.insensitive_above,
            "interval": self.bootstrap.describe(),
        }
