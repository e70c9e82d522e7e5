"""The results of a benchmark as tables and a page."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import bundle.report
from bundle.benchmark.panels import make_panels
from bundle.benchmark.plan import Run, Stage, read_record
from bundle.benchmark.rows import LEARNED, Row, find_reference, list_results, read_figures, read_scores
from bundle.benchmark.summary import summarise_figures, summarise_scores
from bundle.benchmark.tables import add_published, lay_out, lay_out_accuracies, lay_out_more, show_leads, to_markdown
from bundle.evaluation.names import MAP_METRICS
from bundle.files import write_atomically
from bundle.report.plots import plot_figures

TITLE = "Comparison of methods"
EXPLANATION = (
    "Mean, standard deviation over scans (±), and in brackets the {level:g} % interval of the mean over seeds (Student's t); of "
    "rows with one seed, or without training, over scans (bootstrap). NCC(-): disease removed, NCC(+): disease added, by the "
    "protocol `paper` into the mask of the reference scan, by `paired` into the change in the own brain. Trivial maps take no "
    "training: a figure means something only above them. The oracle is the exact change; published figures are on other data."
)
TEMPLATE = "template.html"
FOLDERS = [Path(__file__).parent, Path(bundle.report.__file__).parent]  # of the template, and of the head that it shares


class Publication:
    """Write what the finished runs say: `comparison.csv`, `figures.csv`, `comparison.md` and `index.html`.

    Args:
        folder: where they go.
        rows: rows of the comparison.
        runs: all runs.
        rival: title of the row that all others are compared with.
        published: the paper's figures, by title of the row.
        headline: metric that comes first.
        about: cohort and budget, in words.
        level: probability that an interval covers its figure.
        seed: seed of the bootstrap.
    """

    def __init__(
        self,
        folder: Path,
        rows: Sequence[Row],
        runs: Sequence[Run],
        rival: str,
        published: Mapping[str, Mapping[str, Any]],
        headline: str,
        about: str,
        level: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.folder, self.rows, self.runs, self.published, self.headline = folder, rows, runs, published, headline
        self.rival, self.about, self.level, self.seed = rival, about, level, seed

    def write(self, failures: Sequence[str] = ()) -> str:
        """Write the tables and the page.

        Args:
            failures: sentences on runs that failed.

        Returns:
            The tables of the headline metric, in Markdown; a sentence when no run is done.
        """
        scores, figures = read_scores(self.rows, self.runs), read_figures(self.runs)
        metrics = [name for name in MAP_METRICS if name in scores]
        summary = summarise_scores(scores, metrics, self.rival, self.level, self.seed) if metrics else pd.DataFrame()
        others = figures[~figures["metric"].isin(metrics)] if len(figures) else figures
        summarised = summarise_figures(others, self.level)
        for name, table in (("comparison", summary), ("figures", summarised)):
            with write_atomically(self.folder / f"{name}.csv") as path:
                table.to_csv(path, index=False, float_format="%.6f")
        parts = {split: self._lay_out(summary, summarised, split) for split in (scores["split"].unique() if metrics else ())}
        accuracies, runs = pd.DataFrame() if parts else lay_out_accuracies(summarised), self._list_runs()
        missing = [*failures, *self._list_missing(metrics, summarised), *self._list_unscored(scores)]
        self._write_text([*self._list_blocks(parts, accuracies, runs), *missing])
        self._write_page(parts, accuracies, runs, missing)
        heads = [block for split in parts for block in (split, to_markdown(parts[split]["main"]))]
        return "\n\n".join(heads or [to_markdown(accuracies), *missing])

    def _list_missing(self, metrics: Sequence[str], figures: pd.DataFrame) -> list[str]:
        """Return a sentence on what cannot be compared."""
        if figures.empty:
            return ["No run is done: there is nothing to compare."]
        if not metrics:
            return ["There are no maps to compare: the cohort has neither masks nor disease maps."]
        rival = next(row for row in self.rows if row.title == self.rival)
        if not any(list_results(self.runs, rival.method, rival.measure)):
            return [f"{self.rival} is not done, so nothing is compared with it."]
        return []

    def _list_unscored(self, scores: pd.DataFrame) -> Iterator[str]:
        """Yield a sentence on each row whose measure is done, and has no map of that name."""
        titles = set(scores["row"]) if len(scores) else set()
        for row in self.rows if titles else ():
            done = row.family == LEARNED and any(list_results(self.runs, row.method, row.measure))
            if done and row.title not in titles:
                yield f"{row.title} has no scores: there is no {row.name} in the tables of {row.measure}."

    def _lay_out(self, summary: pd.DataFrame, figures: pd.DataFrame, split: str) -> dict[str, Any]:
        """Return the tables and drawings of a split."""
        main = lay_out(summary, figures, self.rows, split, self.headline)
        others = [metric for metric in summary["metric"].unique() if metric != self.headline]
        return {
            "main": add_published(main, self.published),
            "leads": show_leads(summary, self.rows, split, self.headline),
            "more": {metric: lay_out(summary, figures, self.rows, split, metric).drop(columns="accuracy") for metric in others},
            "beside": lay_out_more(figures, self.rows, split),
            "drawings": list(self._draw(summary, split)),
        }

    def _draw(self, summary: pd.DataFrame, split: str) -> list[Markup]:
        """Return a drawing of each direction under the paper's protocol."""
        chosen = (summary["split"] == split) & (summary["metric"] == self.headline) & (summary["protocol"] == "paper")
        drawn = summary[chosen].rename(columns={"row": "method"}).dropna(subset="mean")
        drawn.loc[drawn["method"] == self.rival, "family"] = "network"
        return [
            plot_figures(group.sort_values("mean", ascending=False), f"{split}: NCC({direction})")
            for direction, group in drawn.groupby("direction", sort=False)
        ]

    def _list_blocks(self, parts: Mapping[str, Mapping[str, Any]], accuracies: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
        """Return the tables in Markdown."""
        blocks = [self.about, EXPLANATION.format(level=100 * self.level)]
        for split, tables in parts.items():
            blocks += [f"## {split.capitalize()}", to_markdown(tables["main"])]
            leads = [f"By how much `{self.rival}` is ahead, on the same scans:", to_markdown(tables["leads"])]
            blocks += leads if len(tables["leads"]) else []
            blocks += ["Examination:", to_markdown(tables["beside"])] if len(tables["beside"]) else []
            for metric, table in tables["more"].items():
                blocks += [f"`{metric}`:", to_markdown(table)]
        blocks += ["## Accuracy", to_markdown(accuracies)] if len(accuracies) else []
        return [*blocks, "## Runs", to_markdown(runs)]

    def _write_text(self, blocks: Sequence[str]) -> None:
        """Write paragraphs and tables."""
        with write_atomically(self.folder / "comparison.md") as path:
            path.write_text("\n\n".join([f"# {TITLE}", *blocks]) + "\n", encoding="utf-8")

    def _write_page(
        self,
        parts: Mapping[str, Mapping[str, Any]],
        accuracies: pd.DataFrame,
        runs: pd.DataFrame,
        missing: Sequence[str],
    ) -> None:
        """Write the page."""
        environment = Environment(loader=FileSystemLoader(FOLDERS), autoescape=True, undefined=StrictUndefined)
        reference = find_reference(self.rows, self.runs, self.rival)
        page = environment.get_template(TEMPLATE).render(
            title=TITLE,
            about=self.about,
            rival=self.rival,
            explanation=EXPLANATION.format(level=100 * self.level),
            splits=parts,
            accuracies=accuracies,
            failures=missing,
            panels=list(make_panels(self.rows, self.runs, reference)),
            runs=runs,
            steps=1,
        )
        with write_atomically(self.folder / "index.html") as path:
            path.write_text(page, encoding="utf-8")

    def _list_runs(self) -> pd.DataFrame:
        """Return what was run: minutes of each stage, and the commit of the training."""
        lines = {}
        for run in self.runs:
            records = {stage.name: read_record(stage) for stage in run.stages}
            minutes = {stage.name: _tell_time(stage, records[stage.name]) for stage in run.stages}
            commits = {str(record["commit"])[:10] for record in records.values() if record}
            lines[f"{run.method}, seed {run.seed}"] = minutes | {"commit": ", ".join(sorted(commits))}
        return pd.DataFrame.from_dict(lines, orient="index").fillna("")


def _tell_time(stage: Stage, record: Mapping[str, Any] | None) -> str:
    """Return how long a stage took, or where to read why it has not ended well."""
    if record:
        return f"{record['seconds'] / 60:.1f} min"
    return f"not finished, see {stage.log.name}" if stage.log.is_file() else "not done"
