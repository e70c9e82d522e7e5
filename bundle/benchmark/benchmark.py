"""The benchmark as one step: run what is left, and publish the results."""

import signal
from collections.abc import Sequence

from bundle.benchmark.plan import Plan
from bundle.benchmark.publication import Publication
from bundle.benchmark.runner import Runner
from bundle.files import announce, check_writable, hold_folder

LOCK = "benchmark.lock"


class Benchmark:
    """Train every method with several seeds, score all of them on the same scans, and compare them.

    Source: Bass et al., NeurIPS 2020, Tables 2 to 4 (https://arxiv.org/abs/2006.08287).

    Args:
        plan: what is run.
        runner: runs it.
        publication: writes the tables, which show whatever is done.
    """

    def __init__(self, plan: Plan, runner: Runner, publication: Publication) -> None:
        self.plan, self.runner, self.publication = plan, runner, publication

    def run(self) -> None:
        """Run what is left, and publish what there is.

        Raises:
            SystemExit: When the cohort cannot be used, or a run failed; the others are done, and published.
            ValueError: When the folder holds runs with other settings, or another benchmark runs in it.
        """
        check_writable(self.plan.folder)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: runs are ended with the benchmark
        for run in self.plan.runs:  # other settings are refused before anything runs
            for step in run.steps:
                step.read_record()
        with hold_folder(self.plan.folder, self.plan.folder / LOCK, "output_dir"):
            unusable = self.runner.run([self.plan.cohort])  # alone, so that runs at the same time do not all make the cohort
            failures = [] if unusable else self.runner.run(self.plan.wanted)
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
        print(self.publication.write(failures))
        announce(self.plan.folder, {
            "index.html": "tables, drawings and maps, a page for any browser", "comparison.md": "the tables",
            "comparison.csv": "their rows", "figures.csv": "figures that are no means over scans",
        })  # fmt: skip
