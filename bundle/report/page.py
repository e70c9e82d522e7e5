"""One page, complete in itself, on what a trained network does."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.decomposition import PCA

from bundle.cautions import doubt_cohort
from bundle.evaluation import Evaluation, TranslatingExplainer
from bundle.evaluation.cautions import doubt_classes
from bundle.evaluation.encodings import Encodings
from bundle.evaluation.names import METRICS, SPLITS, in_words
from bundle.files import announce, check_writable, write_atomically
from bundle.inference.overview import COLOUR_LIMIT
from bundle.records import list_versions
from bundle.report.images import SPREAD_LIMIT
from bundle.report.panels import NUM_STEPS, make_interpolation, make_pairs, make_panels
from bundle.report.plots import Drawing, plot_latent
from bundle.report.provenance import find_commit
from bundle.report.sections import (
    count_classes,
    count_confusions,
    describe_phases,
    draw_ages,
    draw_curves,
    draw_reliability,
    draw_volumes,
    flatten,
    list_scans,
    show_split,
    summarise_split,
)
from bundle.report.spreads import draw_coverage, make_spreads
from bundle.templates import make_environment

TEMPLATE = "template.html"
COMMAND = "python -m monai.bundle run evaluation --config_file \"['configs/train.yaml','configs/evaluate.yaml']\""
LEAST_POINTS = 3  # scans of which principal components are drawn


def check_evaluated(folder: str | Path) -> None:
    """Refuse a report of a folder without an evaluation, before a cohort is read or simulated.

    Args:
        folder: of the evaluation.

    Raises:
        FileNotFoundError: When its last table, `metrics.csv`, is not there.
    """
    if not (Path(folder) / "metrics.csv").is_file():
        raise FileNotFoundError(f"{Path(folder) / 'metrics.csv'} does not exist: run the evaluation first ({COMMAND})")


class Report:
    """Write the results of an evaluation, with pictures of single scans, as one HTML page that opens from the disk.

    Args:
        evaluation: the evaluation, after it was run with the same settings.
        explainer: the explained network, of the evaluation.
        output_dir: folder of the run: the page goes to its subfolder `report`.
        checkpoint: file of the weights.
        history: table of the training, `train.csv`; the learning curves are left out when there is none.
        settings: key numbers of the configuration, for the reader.
        title: heading of the page.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        explainer: TranslatingExplainer,
        output_dir: str | Path,
        checkpoint: str | Path,
        history: str | Path,
        settings: Mapping[str, Any],
        title: str = "ICAM",
    ) -> None:
        self.evaluation, self.explainer = evaluation, explainer
        self.path = Path(output_dir) / "report" / "index.html"
        self.checkpoint, self.history = Path(checkpoint), Path(history)
        self.settings, self.title = dict(settings), title

    def write(self) -> Path:
        """Write the page.

        Returns:
            Its file.

        Raises:
            FileNotFoundError: When the evaluation was not run.
            OSError: When nothing can be written to the folder.
            ValueError: When its tables are those of other scans or settings.
        """
        tables = self._read_tables()
        check_writable(self.path.parent)
        evaluation, explainer, metrics = self.evaluation, self.explainer, tables["metrics"]
        origin = evaluation.origin
        encodings = explainer.encode()
        environment = make_environment(Path(__file__).parent)
        names, headline = sorted(set(explainer.split.names)), evaluation.results.headline
        page = environment.get_template(TEMPLATE).render(
            title=self.title,
            cohort=explainer.split.cohort,
            origin=origin.list_lines() if origin else [],
            cautions=[*(doubt_cohort(origin.trained_for) if origin else []), *doubt_classes(explainer.split, encodings)],
            warnings=evaluation.results.read_settings().get("warnings", []),
            headline=headline,
            summaries=[
                summarise_split(metrics, name, headline) | {"counts": count_classes(explainer.split, name)} for name in names
            ],
            results=[show_split(metrics, name, headline, evaluation.bootstrap.level) for name in names],
            confusions={name: count_confusions(explainer.split, encodings.probabilities.numpy(), name) for name in names},
            scans={name: list_scans(explainer.split, encodings.probabilities.numpy(), name) for name in names},
            left_out=[*evaluation.list_gaps(), *self._list_gaps()],
            **self._draw_splits(names, tables, encodings),
            curves=list(draw_curves(self.history)),
            phases=list(describe_phases(self.history)),
            latents=list(self._draw_latents(encodings, metrics)),
            in_words=in_words,
            names={name: SPLITS.get(name, name) for name in names},
            steps=NUM_STEPS,
            limit=COLOUR_LIMIT,
            spread_limit=SPREAD_LIMIT,
            level=evaluation.bootstrap.level,
            tables_have_maps=len(tables["scans"]) > 0,
            settings=self._list_settings(),
            versions=list_versions(),
        )
        with write_atomically(self.path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        announce(self.path.parent, {self.path.name: "the report, a page for any browser"})
        return self.path

    def _read_tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables of this evaluation by name; those that it did not write are empty."""
        results, wanted = self.evaluation.results, self.evaluation.describe()
        check_evaluated(results.folder)
        metrics = results.read_table("metrics")
        found = results.read_settings()
        if changed := ", ".join(sorted(key for key, value in wanted.items() if found.get(key) != value)):
            raise ValueError(f"{results.folder} holds an evaluation with another {changed}: run the evaluation again ({COMMAND})")
        tables = {name: results.read_table(name) for name in ("pairs", "volumes", "ages", "uncertainty")}
        has_maps = metrics["metric"].isin(METRICS).any()
        return tables | {"metrics": metrics, "scans": results.read_table("scans") if has_maps else pd.DataFrame()}

    def _draw_splits(
        self, names: Sequence[str], tables: Mapping[str, pd.DataFrame], encodings: Encodings
    ) -> dict[str, dict[str, Any]]:
        """Return the pictures of scans and the scatter pictures: by kind, as the template calls it, and by split."""
        evaluation, explainer, attribute = self.evaluation, self.explainer, encodings.attribute
        headline = evaluation.results.headline
        return {
            "panels": {name: make_panels(explainer, tables["scans"], attribute, name, headline) for name in names},
            "pairs": {name: make_pairs(evaluation.pairs, tables["pairs"], attribute, name) for name in names},
            "scatters": {
                name: [
                    *draw_reliability(explainer.split, encodings.probabilities.numpy(), name),
                    *draw_volumes(tables["volumes"], name),
                    *draw_ages(tables["ages"], name),
                    *draw_coverage(tables["uncertainty"], name),
                ]
                for name in names
            },
            "spreads": {name: make_spreads(evaluation.uncertainty, tables["uncertainty"], name) for name in names},
            "interpolations": {name: make_interpolation(explainer, attribute, name, target=1) for name in names},
        }

    def _draw_latents(self, encodings: Encodings, metrics: pd.DataFrame) -> Iterator[Drawing]:
        """Yield a drawing of each latent space, with the probes' figures in its caption."""
        for name, latent, probe in (
            ("Attribute", encodings.attribute, "probe_attribute"),
            ("Content", encodings.content, "probe_content"),
        ):
            if len(self.explainer.split) < LEAST_POINTS:
                return
            points = PCA(2, svd_solver="full").fit_transform(latent.flatten(1).double().numpy())
            split = self.explainer.split
            svg = plot_latent(points, split.labels, split.names, f"{name}: principal components", split.name_class)
            rows = metrics[metrics["method"] == probe]
            figures = ", ".join(f"{row['mean']:.2f} ({row['split']})" for _, row in rows.iterrows())
            chance = 1 / split.num_classes
            probed = f"A linear probe reads the class with a balanced accuracy of {figures}; chance is {chance:.2f}."
            caption = f"First two principal components, dimensionless, of {len(split)} test scans, one training."
            found = probed if len(rows) else "Too few scans for a linear probe."
            yield Drawing(svg, f"Does the {name.lower()} carry the class?", f"{caption} {found}")

    def _list_gaps(self) -> list[str]:
        """Return a sentence where there is no table of the training."""
        return [] if self.history.is_file() else [f"{self.history} does not exist: no learning curves"]

    def _list_settings(self) -> dict[str, str]:
        """Return what decided the figures, by name."""
        origin = self.evaluation.origin
        code = {"git commit": find_commit(Path(__file__).parent) or "none", "checkpoint": str(self.checkpoint)}
        code |= {"trained for": origin.trained_for} if origin else {}
        return code | dict(flatten(self.evaluation.describe())) | dict(flatten(self.settings))
