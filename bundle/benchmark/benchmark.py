"""The benchmark as one step: run what is left, and publish the results."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.benchmark.checks import check_plan, check_rival
from bundle.benchmark.plan import choose_runs, list_stages, plan_cohort, plan_runs, read_record
from bundle.benchmark.publication import Publication
from bundle.benchmark.rows import list_rows
from bundle.benchmark.runner import Runner
from bundle.evaluation.names import METRICS
from bundle.files import check_writable, hold_folder

LOCK = "benchmark.lock"


class Benchmark:
    """Train every method with several seeds, score all of them on the same scans, and compare them.

    Source: Bass et al., NeurIPS 2020, Tables 2 to 4 (https://arxiv.org/abs/2006.08287).

    Args:
        methods: what is compared, see `bundle.benchmark.plan.plan_runs`.
        measures: what is measured, likewise.
        seeds: seeds of the trainings.
        output_dir: folder of the runs and of the tables.
        root: the bundle's root, where the config files are.
        cohort_files: overlays of the cohort, in all stages directly after the first config file.
        common: keys of all stages, such as the cohort's folder.
        training: keys of all trainings: the budget.
        only: names of the methods that are run; None for all. The tables show whatever is done.
        num_jobs: runs at the same time.
        num_threads: threads of each.
        rival: title of the row that all others are compared with.
        published: the paper's figures by title of the row: `accuracy`, `minus` and `plus`.
        headline: metric of the maps that comes first.
        level: probability that an interval covers its figure.

    Raises:
        ValueError: When methods, measures, seeds or published figures are not as `check_plan` asks, `only` names none of the
            methods, the rival is no row, or `headline` or `level` is not accepted.
    """

    def __init__(
        self,
        methods: Mapping[str, Mapping[str, Any]],
        measures: Mapping[str, Mapping[str, Any]],
        seeds: Sequence[int],
        output_dir: str | Path,
        root: str | Path,
        cohort_files: Sequence[str] = (),
        common: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        only: Sequence[str] | None = None,
        num_jobs: int = 1,
        num_threads: int = 1,
        rival: str = "",
        published: Mapping[str, Mapping[str, Any]] | None = None,
        headline: str = METRICS[0],
        level: float = 0.95,
    ) -> None:
        if headline not in METRICS:
            raise ValueError(f"headline must be one of {', '.join(METRICS)}, got {headline}")
        settings: dict[str, Any] = {"only": only, "num_jobs": num_jobs, "num_threads": num_threads, "level": level}
        settings |= {"cohort_files": cohort_files, "budget": {} if training is None else training}
        check_plan(methods, measures, seeds, {} if published is None else published, **settings)
        self.folder = Path(output_dir).resolve()
        self.methods = methods
        self.runs = plan_runs(methods, measures, seeds, self.folder, cohort_files, common, training)
        self.wanted = choose_runs(self.runs, methods, only)
        self.cohort = plan_cohort(self.folder, cohort_files, common)
        self.runner = Runner(root, num_jobs, num_threads)
        self.rival = check_rival(rival, methods)
        self.published, self.headline, self.level = dict(published or {}), headline, level
        cohort = Path(str((common or {}).get("dataset_dir", ""))).name
        self.about = f"Cohort {cohort}; budget {dict(training or {})}; seeds {list(seeds)}."

    def run(self) -> None:
        """Run what is left, and publish what there is.

        Raises:
            SystemExit: When the cohort cannot be used, or a run failed; the others are done, and published.
            ValueError: When the folder holds runs with other settings, or another benchmark is at work in it.
        """
        check_writable(self.folder)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: runs are ended with the benchmark
        for stage in list_stages(self.runs):  # other settings are refused before anything runs
            read_record(stage)
        with hold_folder(self.folder, self.folder / LOCK, "output_dir"):
            try:
                unusable = self.runner.run([self.cohort])  # alone, so that runs at the same time do not all make the cohort
                failures = [] if unusable else self.runner.run(self.wanted)
            except KeyboardInterrupt:
                raise SystemExit("stopped; the same command goes on") from None
            if unusable:
                raise SystemExit("\n".join(unusable))
            self.publish(failures)
        if failures:
            raise SystemExit("\n".join(failures))

    def publish(self, failures: Sequence[str] = ()) -> None:
        """Write and print the tables of what is done.

        Args:
            failures: sentences on runs that failed.
        """
        rows = list_rows(self.methods, self.runs, self.rival)
        publication = Publication(self.folder, rows, self.runs, self.rival, self.published, self.headline, self.about, self.level)
        print(f"{publication.write(failures)}\nComparison: {self.folder}")
