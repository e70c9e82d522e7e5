"""What gives reason to doubt the runs of a benchmark."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from bundle.benchmark.plan import Run
from bundle.cautions import doubt_cohort
from bundle.evaluation.cautions import doubt_predictions
from bundle.records import read_record


def list_cautions(runs: Sequence[Run]) -> list[str]:
    """Return a sentence on simulated scans, and one on each network that does not classify test scans better than chance.

    Args:
        runs: all runs; of those that are done `settings.json` and `predictions.csv` of the evaluations are read.
    """
    cohorts, sentences = dict[str, None](), dict[tuple[str, int, str], list[str]]()
    for run in runs:
        for folder in _find_folders(run):
            cohorts[str((read_record(folder / "settings.json", None) or {}).get("trained_for", ""))] = None
            path = folder / "predictions.csv"
            table = pd.read_csv(path) if path.is_file() else pd.DataFrame()
            if not {"split", "label", "predicted"} <= set(table):
                continue
            for split, rows in table.groupby("split", sort=False):
                name = f"The classifier of {run.method}, seed {run.seed},"
                found = doubt_predictions(rows["label"].to_numpy(), rows["predicted"].to_numpy(), str(split), name)
                sentences.setdefault((run.method, run.seed, str(split)), found)  # all measures of a run have one network
    simulated = [sentence for cohort in cohorts for sentence in doubt_cohort(cohort, "Each network")]
    return simulated + [sentence for found in sentences.values() for sentence in found]


def _find_folders(run: Run) -> Iterator[Path]:
    """Yield the folders of the tables of the measures that are done."""
    for step in run.steps[1:]:
        if step.read_record():
            yield from (path.parent for path in step.find_results()[:1])
