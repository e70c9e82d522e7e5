"""What a benchmark runs: for each method and seed a training, and what is measured of it."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from monai.bundle import ConfigParser

from bundle.records import compute_fingerprint, read_record, write_record

SCHEMA = Path(__file__).with_name("schema.yaml")
SEQUENCES = Draft202012Validator.TYPE_CHECKER.redefine("array", lambda _, value: isinstance(value, list | tuple))
PlanValidator = extend(Draft202012Validator, type_checker=SEQUENCES)
ALL = "*"  # in place of a name: every method of a measure, each with a row


class Step(NamedTuple):
    """One run of `python -m monai.bundle`.

    Attributes:
        name: name of the step, which names its record and its log.
        entry: entry point of the configs, such as "training".
        files: config files, the later ones changing the first.
        options: keys that are changed, by name.
        folder: folder of the run that it belongs to.
        results: file that it leaves in the folder, as a glob pattern; "" for none.
    """

    name: str
    entry: str
    files: tuple[str, ...]
    options: dict[str, Any]
    folder: Path
    results: str = ""

    @property
    def record(self) -> Path:
        """File that is written when the step has ended well."""
        return self.folder / f"{self.name}.json"

    @property
    def log(self) -> Path:
        """File with all that the step prints."""
        return self.folder / f"{self.name}.log"

    def find_results(self) -> list[Path]:
        """Return the files that match `results`."""
        return list(self.folder.glob(self.results)) if self.results else []

    def command(self) -> list[str]:
        """Return the command line, from the bundle's root."""
        files = "[" + ",".join(f"'{file}'" for file in self.files) + "]"
        options: list[str] = []
        for name, value in self.options.items():
            options += [f"--{name}", str(value) if isinstance(value, str | bool | int | float) else repr(value)]
        start = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", self.entry, "--config_file", files]
        return [*start, "--logging_file", "configs/logging.conf", *options]

    def write_record(self, **content: Any) -> None:
        """Record that the step has ended well, its command and more."""
        arguments = self.command()[1:]
        write_record(self.record, compute_fingerprint(arguments), {"arguments": arguments, **content})

    def read_record(self) -> dict[str, Any] | None:
        """Return what was recorded when the step ended well; None when it has not, or record or results are lost.

        A record of another command is refused.
        """
        record = read_record(self.record, None)
        if record is not None and read_record(self.record, compute_fingerprint(self.command()[1:])) is None:
            again = (
                f"remove the folder {self.folder} to have all of this run done again"
                if self.entry == "training"
                else "remove that file to have it measured again, the training stays"
            )
            raise ValueError(f"{self.record} is of a {self.name} with other settings: give another output_dir, or {again}")
        return None if self.results and not self.find_results() else record


class Run(NamedTuple):
    """A method trained with one seed, and what is measured of it: steps, one after the other, of which the first one trains."""

    method: str
    seed: int
    steps: tuple[Step, ...]


class Plan:
    """All runs of a benchmark.

    Runs of one seed come after those of the other, so that a table is whole with few seeds first. Methods with seeds of their own
    come before all, as others may need them.

    Args:
        methods: by name `overlays` (config files of all its steps, such as its network), `training` (those of the training
            alone, before the others), `options` (keys of the training), `measures` (names of what is measured), `rows` (titles,
            each with MEASURE/NAME; a `*` in place of the name is each method of the measure, and `{}` in the title its name) and,
            where they are not `seeds`, its own `seeds`.
        measures: by name `entry`, `base` (first config files), `files` (overlays, which come before those of the method) and
            `options`.
        seeds: seeds of the trainings.
        output_dir: folder of the benchmark; a run has the subfolder `METHOD/seed-SEED`.
        base: first config files of trainings.
        cohort_files: overlays of the cohort, in all steps directly after the first config files.
        common: keys of all steps, such as the cohort's folder.
        budget: keys of all trainings.
        only: names of the methods that are run; None for all.

    Attributes:
        runs: the runs of all methods.
        wanted: those of the methods of `only`, and of methods with seeds of their own.
        cohort: the run before all others, which lists the cohort and makes a simulated one.
        about: cohort, budget and seeds in words.

    Raises:
        ValueError: When an argument is not as `schema.yaml` says, a method has an unknown measure or rows of one that is not
            taken of it, titles do not distinguish rows, or `only` has an unknown name.
    """

    def __init__(
        self,
        methods: Mapping[str, Mapping[str, Any]],
        measures: Mapping[str, Mapping[str, Any]],
        seeds: Sequence[int],
        output_dir: str | Path,
        base: Sequence[str] = ("configs/train.yaml",),
        cohort_files: Sequence[str] = (),
        common: Mapping[str, Any] | None = None,
        budget: Mapping[str, Any] | None = None,
        only: Sequence[str] | None = None,
    ) -> None:
        self.methods, self.measures, self.folder = methods, measures, Path(output_dir).resolve()
        self.common, self.budget = common or {}, {} if budget is None else budget
        check_schema(methods=methods, measures=measures, seeds=seeds, cohort_files=cohort_files, budget=self.budget, only=only)
        self._check_rows()
        unknown = sorted(set(only or ()) - set(methods))
        if unknown:
            raise ValueError(f"only has {unknown[0]}; known methods are {', '.join(methods)}")
        self.base, self.cohort_files = base, cohort_files
        alone = [name for name in methods if "seeds" in methods[name]]
        turns = [(name, seed) for name in alone for seed in methods[name]["seeds"]]
        turns += [(name, seed) for seed in seeds for name in methods if name not in alone]
        self.runs = [self._plan_run(name, seed) for name, seed in turns]
        self.wanted = [run for run in self.runs if only is None or run.method in only or run.method in alone]
        folder = self.folder / "cohort"
        options = {"output_dir": str(folder), **self.common}
        self.cohort = Run("cohort", 0, (Step("listing", "listing", (*base, *cohort_files), options, folder),))
        cohort = Path(str(self.common.get("dataset_dir", ""))).name
        self.about = f"Cohort {cohort}; budget {dict(self.budget)}; seeds {list(seeds)}."

    def _plan_run(self, name: str, seed: int) -> Run:
        """Return the run of a method with a seed."""
        method, folder = self.methods[name], self.folder / name / f"seed-{seed}"
        overlays, weights = method.get("overlays", ()), folder / "train" / "model.pt"
        files = (*self.base, *self.cohort_files, *method.get("training", ()), *overlays)
        options = {"output_dir": str(folder), **self.common, "ckpt_dir": str(weights.parent), "seed": seed}
        options |= {**self.budget, **method.get("options", {})}
        steps = [Step("training", "training", files, options, folder, "train/model.pt")]
        for measure in method.get("measures", ()):
            wanted = self.measures[measure]
            files = (*wanted["base"], *self.cohort_files, *wanted.get("files", ()), *overlays)
            options = {"output_dir": str(folder / measure), **self.common, "checkpoint": str(weights)}
            options |= wanted.get("options", {})
            steps.append(Step(measure, wanted["entry"], files, options, folder, f"{measure}/**/metrics.csv"))
        return Run(name, seed, tuple(steps))

    def _check_rows(self) -> None:
        """Check that measures exist, that rows are of measures of their method, and that titles distinguish rows."""
        for name, method in self.methods.items():
            measures = method.get("measures", ())
            unknown = sorted(set(measures) - set(self.measures))
            if unknown:
                raise ValueError(f"the method {name} has the measure {unknown[0]}; known are {', '.join(self.measures)}")
            for title, place in method.get("rows", {}).items():
                measure, _, row = place.partition("/")
                if measure not in measures:
                    known = ", ".join(measures) or "none"
                    raise ValueError(f"the row {title} is of {measure}, which is not among the measures of {name}: {known}")
                if row == ALL and "{}" not in title:
                    raise ValueError(f"the row {title} is of many methods, {place}: its title needs {{}}, the name of each")
        titles = Counter(title for method in self.methods.values() for title in method.get("rows", {}))
        doubled = [title for title, count in titles.items() if count > 1]
        if doubled:
            raise ValueError(f"two rows have the title {doubled[0]}")


def check_schema(**given: Any) -> None:
    """Refuse settings of a benchmark, by name, whose keys or types are not as `schema.yaml` says."""
    error = best_match(PlanValidator(ConfigParser.load_config_file(SCHEMA)).iter_errors(given))
    if error is not None:
        place = "#".join(map(str, error.absolute_path))
        raise ValueError(f"{place} must be {error.schema['description']} ({error.message})")
