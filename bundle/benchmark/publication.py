"""The results of a benchmark as tables and a page."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from bundle.benchmark.cautions import list_cautions
from bundle.benchmark.plan import ALL, Plan, Run, check_schema
from bundle.benchmark.results import LEARNED, Results
from bundle.benchmark.summary import COLUMNS, summarise_figures, summarise_scores
from bundle.benchmark.text_tables import (
    add_published,
    lay_out,
    lay_out_accuracies,
    lay_out_faithfulness,
    lay_out_leads,
    to_markdown,
)
from bundle.data.intensities import BACKGROUND
from bundle.evaluation.names import MAP_METRICS, METRICS, NETWORK_METHODS, OWN_METHODS, SPLITS, in_words
from bundle.files import write_atomically
from bundle.inference.overview import COLOUR_LIMIT
from bundle.report.images import (
    RANGE,
    draw_map,
    draw_scan,
    draw_truth,
    find_point,
    find_range,
    name_planes,
    take_planes,
)
from bundle.report.panels import Panel, Tile, is_mask
from bundle.report.plots import Drawing, plot_figures, show_span
from bundle.templates import make_environment

CHANGES = {*NETWORK_METHODS, *OWN_METHODS, "vagan"}  # methods whose maps are changes of a scan, network intensity
EXPLANATION = (
    "Mean, standard deviation over scans (±), and in brackets the {level:g} % interval of the mean over seeds (Student's t); of "
    "rows with one seed, or without training, over scans (bootstrap). NCC(-): disease removed, NCC(+): disease added, by the "
    "protocol `paper` into the mask of the reference scan, by `paired` into the change in the own brain. Trivial maps take no "
    "training (floor): a figure means something only above them. The exact change is the ceiling; published figures are on other "
    "data."
)


class Publication:
    """Write what the finished runs have found: `comparison.csv`, `figures.csv`, `comparison.md` and `index.html`.

    Args:
        plan: the runs, and the folder of the files.
        reference_method: title of the row that all others are compared with.
        published: the paper's figures by title of the row: `accuracy`, `minus` and `plus`.
        headline: metric of the maps that comes first.
        level: probability that an interval covers its figure.

    Raises:
        ValueError: When the reference method is no row, `headline` is no metric, or others are not as `schema.yaml` says.
    """

    def __init__(
        self,
        plan: Plan,
        reference_method: str,
        published: Mapping[str, Mapping[str, Any]] | None = None,
        headline: str = METRICS[0],
        level: float = 0.95,
    ) -> None:
        self.published = dict(published or {})
        check_schema(published=self.published, level=level)
        if headline not in METRICS:
            raise ValueError(f"headline must be one of {', '.join(METRICS)}, got {headline}")
        rows = [entry for method in plan.methods.values() for entry in method.get("rows", {}).items()]
        titles = [title for title, place in rows if not place.endswith(ALL)]
        if reference_method not in titles:
            raise ValueError(f"reference_method must be the title of a row, one of {', '.join(titles)}, got {reference_method!r}")
        self.plan, self.reference, self.headline, self.level = plan, reference_method, headline, level

    def write(self, failures: Sequence[str] = ()) -> str:
        """Write the tables and the page.

        Args:
            failures: sentences on runs that failed.

        Returns:
            The tables of the headline metric, in Markdown; a sentence when no run is done.
        """
        results = Results(self.plan.methods, self.plan.runs, self.reference)
        scores, figures = results.read_scores(), results.read_figures()
        metrics = [name for name in MAP_METRICS if name in scores]
        summary = (
            summarise_scores(scores, metrics, self.reference, self.level) if metrics else pd.DataFrame(columns=list(COLUMNS))
        )
        figures = summarise_figures(figures[~figures["metric"].isin(metrics)] if len(figures) else figures, self.level)
        for name, table in (("comparison", summary), ("figures", figures)):
            with write_atomically(self.plan.folder / f"{name}.csv") as path:
                table.to_csv(path, index=False, float_format="%.6f")
        names = scores["split"].unique() if metrics else ()
        splits = {split: self._lay_out(results, summary, figures, split) for split in names}
        content: dict[str, Any] = {
            "title": "Comparison of methods",
            "about": self.plan.about,
            "cautions": list_cautions(self.plan.runs),
            "reference": self.reference,
            "explanation": EXPLANATION.format(level=100 * self.level),
            "splits": splits,
            "accuracies": pd.DataFrame() if splits else lay_out_accuracies(figures),
            "failures": [*failures, *self._list_missing(results, scores, metrics, figures)],
            "runs": list_runs(self.plan.runs),
        }
        families = {row.title: row.family for row in results.rows} | {self.reference: "network"}
        template = make_environment(Path(__file__).parent).get_template("template.html")
        shown = {"panels": list(make_panels(results)), "names": SPLITS, "in_words": in_words}
        shown |= {"limit": COLOUR_LIMIT, "range": RANGE}
        page = template.render(**content, **shown, rows_of=lambda table: _rows_of(table, families))
        for name, text in (("comparison.md", write_markdown(content)), ("index.html", page)):
            with write_atomically(self.plan.folder / name) as path:
                path.write_text(text, encoding="utf-8")
        heads = [block for split, tables in splits.items() for block in (split, to_markdown(tables["main"]))]
        return "\n\n".join(heads or [to_markdown(content["accuracies"]), *content["failures"]])

    def _lay_out(self, results: Results, summary: pd.DataFrame, figures: pd.DataFrame, split: str) -> dict[str, Any]:
        """Return the tables and drawings of a split."""
        rows, shown = results.rows, summary[summary["split"] == split]
        more = [metric for metric in summary["metric"].unique() if metric != self.headline]
        return {
            "main": add_published(lay_out(summary, figures, rows, split, self.headline), self.published),
            "leads": lay_out_leads(summary, rows, split, self.headline),
            "more": {metric: lay_out(summary, figures, rows, split, metric).drop(columns="accuracy") for metric in more},
            "faithfulness": lay_out_faithfulness(figures, rows, split),
            "drawings": list(self._draw(shown[(shown["metric"] == self.headline) & (shown["protocol"] == "paper")], split)),
        }

    def _draw(self, rows: pd.DataFrame, split: str) -> Iterator[Drawing]:
        """Yield for each direction the figures of all rows, and by how much the reference is ahead of them."""
        drawn = rows.rename(columns={"row": "method"}).dropna(subset="mean")
        drawn.loc[drawn["method"] == self.reference, "family"] = "network"
        for direction, group in drawn.groupby("direction", sort=False):
            learned = group.loc[group["family"].isin(("network", LEARNED)), "num_seeds"]
            bars = (
                f"Bars: {100 * self.level:g} % intervals over seeds (Student's t), or over scans (bootstrap) without several; "
                f"{show_span(group['n'])} scans, {show_span(learned) or 'no'} seeds of the trainings."
            )
            ordered = group.sort_values("mean", ascending=False)
            yield Drawing(
                plot_figures(ordered, f"{split}: NCC({direction})", network=self.reference),
                "Whose maps lie where the change is?",
                f"Mean {in_words(self.headline)}, direction ({direction}), protocol paper; dimensionless, 1 is best. {bars}",
            )
            leads = ordered[ordered["method"] != self.reference].dropna(subset="lead")
            if len(leads):
                places = {"mean": "lead", "ci_low": "lead_ci_low", "ci_high": "lead_ci_high"}
                yield Drawing(
                    plot_figures(
                        leads.assign(**{name: leads[place] for name, place in places.items()}),
                        f"{split}: lead in NCC({direction})",
                        "difference of NCC",
                        None,
                    ),
                    f"By how much is {self.reference} ahead?",
                    f"{in_words(self.headline)} of {self.reference} less that of each row, on the same scans, dimensionless, "
                    f"direction ({direction}); right of 0 {self.reference} is ahead. {bars} Where a bar holds 0 the two are "
                    "not told apart. Nothing is corrected for the number of rows.",
                )

    def _list_missing(self, results: Results, scores: pd.DataFrame, metrics: list[str], figures: pd.DataFrame) -> Iterator[str]:
        """Yield a sentence on each thing that cannot be compared."""
        if figures.empty:
            yield "No run is done: there is nothing to compare."
        elif not metrics:
            yield "There are no maps to compare: the cohort has neither masks nor disease maps."
        elif not results.find(results.reference):
            yield f"{self.reference} is not done, so nothing is compared with it."
        titles = set(scores["row"]) if len(scores) else set()
        for row in results.rows if titles else ():
            if row.family == LEARNED and row.title not in titles and results.find(row):
                yield f"{row.title} has no scores: there is no {row.name} in the tables of {row.measure}."


def _rows_of(table: pd.DataFrame, families: Mapping[str, str]) -> dict[str, Any]:
    """Return a table as the pages show it."""
    rows = [(name, families.get(str(name), ""), list(cells)) for name, cells in table.fillna("").iterrows()]
    return {"columns": list(table), "rows": rows}


def write_markdown(content: Mapping[str, Any]) -> str:
    """Return paragraphs and tables in Markdown, of the variables of the page's template."""
    cautions = [f"**Caution:** {sentence}." for sentence in content["cautions"]]
    blocks = [f"# {content['title']}", content["about"], *cautions, content["explanation"]]
    for split, tables in content["splits"].items():
        blocks += [f"## {split.capitalize()}", to_markdown(tables["main"])]
        named = {f"By how much `{content['reference']}` is ahead, on the same scans:": tables["leads"]}
        named |= {"Faithfulness:": tables["faithfulness"]} | {f"`{metric}`:": table for metric, table in tables["more"].items()}
        for title, table in named.items():
            blocks += [title, to_markdown(table)] if len(table) else []
    blocks += ["## Accuracy", to_markdown(content["accuracies"])] if len(content["accuracies"]) else []
    return "\n\n".join([*blocks, "## Runs", to_markdown(content["runs"]), *content["failures"]]) + "\n"


def make_panels(results: Results) -> Iterator[Panel]:
    """Yield for each kept scan the scan, its truth and the map of every learned row, of the first seed of each.

    The colours of maps that are changes of a scan end at one fixed magnitude. Those of every other row, which has a unit of its
    own, and of true changes whose unit is not known, end at a percentile over all scans shown.

    Source: Bass et al., NeurIPS 2020, Fig. 1 and 5 (https://arxiv.org/abs/2006.08287).
    """
    rows = [row for row in results.rows if row.family == LEARNED]
    learned, shown = {row.title: results.read_maps(row) for row in rows}, results.read_maps(results.shown)
    places = list(dict.fromkeys(name.rpartition("/")[0] for name in shown if name.endswith("/truth")))
    ends = {}
    for row in rows:
        found = [learned[row.title][f"{place}/map"] for place in places if f"{place}/map" in learned[row.title]]
        if found:
            ends[row.title] = COLOUR_LIMIT if row.name in CHANGES else find_range(*found)
    changes = [truth for place in places if f"{place}/unit" not in shown and not is_mask(truth := shown[f"{place}/truth"])]
    limit = find_range(*changes) if changes else 1.0
    for place in places:
        maps = {title: learned[title][f"{place}/map"] for title in ends if f"{place}/map" in learned[title]}
        split, _, name = place.partition("/")
        title = f"{split}, scan {name.replace('>', ' to class ')}"
        own = {name: shown[key] for name in ("scan", "truth", "affine", "unit") if (key := f"{place}/{name}") in shown}
        yield make_panel(title, own, maps, ends, limit)


def make_panel(
    title: str, scan: Mapping[str, Tensor], maps: Mapping[str, Tensor], ends: Mapping[str, float], limit: float = 1.0
) -> Panel:
    """Draw a scan, its truth and maps by their captions, all in the same planes.

    Args:
        title: which scan it is; the planes are named after it.
        scan: its `scan`, intensities in [-1, 1], shape (C, H, W[, D]), as of all images; its `truth`, a mask, or a change in
            scanner units; where they are known its `affine`, and `unit`, a scanner unit in the intensities of the network.
        maps: by caption.
        ends: magnitudes at which the colours of maps end, likewise.
        limit: of truths that are changes in scanner units, where their colour is strongest.
    """
    image, truth, affine, unit = scan["scan"], scan["truth"], scan.get("affine"), scan.get("unit")
    point = find_point(truth)
    plane, shown = (take_planes(image, point, BACKGROUND), take_planes(truth, point))
    if is_mask(truth):
        drawn, caption = draw_truth(plane, shown), "truth"
    elif unit is not None:
        drawn, caption = draw_map(shown * float(unit), COLOUR_LIMIT), f"true change, ±{COLOUR_LIMIT:g}"
    else:
        drawn, caption = draw_truth(plane, shown, limit), f"truth, magnitude of the change, to {limit:.3g} scanner units"
    tiles = [Tile(draw_scan(plane), "scan"), Tile(drawn, caption)]
    tiles += [Tile(draw_map(take_planes(image, point), ends[name]), f"{name}, ±{ends[name]:.3g}") for name, image in maps.items()]
    return Panel(f"{title}. {name_planes(image, None if affine is None else affine.numpy(), point)}", tiles)


def list_runs(runs: Sequence[Run]) -> pd.DataFrame:
    """Return minutes of each step and the commits of each run, one line a run."""
    lines: dict[str, dict[str, str]] = {}
    for run in runs:
        line, commits = lines.setdefault(f"{run.method}, seed {run.seed}", {}), set()
        for step in run.steps:
            record = step.read_record()
            if record:
                line[step.name] = f"{record['seconds'] / 60:.1f} min"
                commits.add(str(record["commit"])[:10])
            else:
                line[step.name] = f"not finished, see {step.log.name}" if step.log.is_file() else "not done"
        line["commit"] = ", ".join(sorted(commits))
    return pd.DataFrame.from_dict(lines, orient="index").fillna("")
