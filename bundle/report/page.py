"""One page, complete in itself, on what a trained network does."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from sklearn.decomposition import PCA

from bundle.evaluation import Evaluation
from bundle.evaluation.encoding import Encodings
from bundle.evaluation.scoring import METRICS
from bundle.files import check_writable, write_atomically
from bundle.report.panels import NUM_STEPS, first_control, make_interpolation, make_pairs, make_panels
from bundle.report.plots import plot_latent
from bundle.report.provenance import find_commit, list_versions
from bundle.report.sections import draw_ages, draw_curves, draw_volumes, flatten, show_split, summarise_split
from bundle.report.spreads import draw_coverage, make_spreads

TEMPLATE = "template.html"
COMMAND = "python -m monai.bundle run evaluation --config_file \"['configs/train.yaml','configs/evaluate.yaml']\""
SPLIT_NAMES = {"seen": "Seen anatomies", "unseen": "Unseen anatomies", "test": "Test scans"}


class Report:
    """Write the results of an evaluation, with pictures of single scans, as one HTML page that opens from the disk.

    Args:
        evaluation: the evaluation, after it was run with the same settings.
        output_dir: folder of the run: the page goes to its subfolder `report`.
        checkpoint: file of the weights.
        history: table of the training, `train.csv`; the learning curves are left out when there is none.
        settings: key numbers of the configuration, for the reader.
        title: heading of the page.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        output_dir: str | Path,
        checkpoint: str | Path,
        history: str | Path,
        settings: Mapping[str, Any],
        title: str = "ICAM",
    ) -> None:
        self.evaluation = evaluation
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
        metrics, scans = tables["metrics"], tables["scans"]
        encodings = self.evaluation.encode()
        environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
        splits = sorted(set(self.evaluation.splits))
        page = environment.get_template(TEMPLATE).render(
            title=self.title,
            cohort=self.evaluation.cohort,
            headline=self.evaluation.headline,
            summaries=[summarise_split(metrics, split, self.evaluation.headline) for split in splits],
            results=[show_split(metrics, split, self.evaluation.headline) for split in splits],
            left_out=self.evaluation.list_left_out(),
            panels={split: make_panels(self.evaluation, scans, encodings.attribute, split) for split in splits},
            pairs={split: make_pairs(self.evaluation, tables["pairs"], encodings.attribute, split) for split in splits},
            scatters={
                split: [
                    *draw_volumes(tables["volumes"], split),
                    *draw_ages(tables["ages"], split),
                    *draw_coverage(tables["uncertainty"], split),
                ]
                for split in splits
            },
            spreads={split: make_spreads(self.evaluation, tables["uncertainty"], split) for split in splits},
            interpolations={split: self._interpolate(encodings, split) for split in splits},
            curves=list(draw_curves(self.history)),
            latents=list(self._draw_latents(encodings, metrics)),
            names={split: SPLIT_NAMES.get(split, split) for split in splits},
            steps=NUM_STEPS,
            level=self.evaluation.interval["level"],
            tables_have_maps=len(scans) > 0,
            settings=self._list_settings(),
            versions=list_versions(),
        )
        with write_atomically(self.path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        print(f"Report: {self.path}")
        return self.path

    def _read_tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables of this evaluation by name; those that it did not write are empty."""
        folder = self.evaluation.folder
        if not (folder / "metrics.csv").is_file():
            raise FileNotFoundError(f"{folder / 'metrics.csv'} does not exist: run the evaluation first ({COMMAND})")
        found, wanted = json.loads((folder / "settings.json").read_text()), self.evaluation.describe()
        if found != wanted:
            changed = ", ".join(sorted(key for key, value in wanted.items() if found.get(key) != value))
            raise ValueError(f"{folder} holds an evaluation with another {changed}: run the evaluation again ({COMMAND})")
        metrics = pd.read_csv(folder / "metrics.csv").fillna({"protocol": "", "direction": ""})
        tables = {name: _read_table(folder / f"{name}.csv") for name in ("pairs", "volumes", "ages", "uncertainty")}
        has_maps = metrics["metric"].isin(METRICS).any()
        return tables | {"metrics": metrics, "scans": pd.read_csv(folder / "scans.csv") if has_maps else pd.DataFrame()}

    def _interpolate(self, encodings: Encodings, split: str) -> Any:
        return make_interpolation(self.evaluation, encodings.attribute, first_control(self.evaluation, split), target=1)

    def _draw_latents(self, encodings: Encodings, metrics: pd.DataFrame) -> Iterator[tuple[Markup, str]]:
        """Yield a drawing of each latent space and the probes' figures."""
        for name, latent, probe in (
            ("Attribute", encodings.attribute.flatten(1), "probe_attribute"),
            ("Content", encodings.content, "probe_content"),
        ):
            points = PCA(2, svd_solver="full").fit_transform(latent.double().numpy())
            drawing = plot_latent(points, self.evaluation.labels, self.evaluation.splits, f"{name}: principal components")
            rows = metrics[metrics["method"] == probe]
            figures = ", ".join(f"{row['mean']:.2f} ({row['split']})" for _, row in rows.iterrows())
            chance = 1 / self.evaluation.comparison.num_classes
            yield drawing, f"{name}: a linear probe tells the class with balanced accuracy {figures}; chance is {chance:.2f}."

    def _list_settings(self) -> dict[str, str]:
        """Return what decided the figures, by name."""
        code = {"git commit": find_commit(Path(__file__).parent) or "none", "checkpoint": str(self.checkpoint)}
        return code | dict(flatten(self.evaluation.describe())) | dict(flatten(self.settings))


def _read_table(path: Path) -> pd.DataFrame:
    """Return a table, empty when there is no such file."""
    return pd.read_csv(path).fillna({"direction": ""}) if path.is_file() else pd.DataFrame()
