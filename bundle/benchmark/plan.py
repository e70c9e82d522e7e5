"""What a benchmark runs: for each method and seed a training and what is measured of it."""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from monai.bundle import ConfigParser


class Stage(NamedTuple):
    """One run of `python -m monai.bundle`, with a folder of its own.

    Attributes:
        name: name of the stage, which names its record and its log.
        entry: entry point of the configs, such as "training".
        files: config files, the later ones changing the first.
        options: keys that are changed, by name.
        folder: folder of the run that it belongs to.
        results: file, or folder with `metrics.csv`, without which it is not done; None for nothing.
    """

    name: str
    entry: str
    files: tuple[str, ...]
    options: dict[str, Any]
    folder: Path
    results: Path | None = None

    @property
    def record(self) -> Path:
        """File that is written when the stage has ended well."""
        return self.folder / f"{self.name}.json"

    @property
    def log(self) -> Path:
        """File with all that the stage prints."""
        return self.folder / f"{self.name}.log"

    def find_table(self) -> Path | None:
        """Return the path of the `metrics.csv` of a measure, None when it is absent."""
        return None if self.results is None else next(self.results.rglob("metrics.csv"), None)

    def has_results(self) -> bool:
        """Tell whether what a stage leaves behind is there."""
        return self.results is None or self.results.is_file() or self.find_table() is not None

    def command(self) -> list[str]:
        """Return the command line, from the bundle's root."""
        files = "[" + ",".join(f"'{file}'" for file in self.files) + "]"
        options = [text for name, value in self.options.items() for text in (f"--{name}", _write(value))]
        start = [sys.executable, "-W", "ignore", "-m", "monai.bundle", "run", self.entry, "--config_file", files]
        return [*start, "--logging_file", "configs/logging.conf", *options]


class Run(NamedTuple):
    """A method trained with one seed, and what is measured of it.

    Attributes:
        method: name of the method.
        seed: seed of the training.
        stages: what is done, one after the other; the first one trains.
    """

    method: str
    seed: int
    stages: tuple[Stage, ...]


def plan_runs(
    methods: Mapping[str, Mapping[str, Any]],
    measures: Mapping[str, Mapping[str, Any]],
    seeds: Sequence[int],
    output_dir: str | Path,
    cohort_files: Sequence[str] = (),
    common: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
) -> list[Run]:
    """List all runs, those of one seed after those of the other, so that a table is whole with few seeds first.

    Args:
        methods: by name `overlays` (config files of all its stages, such as its network), `training` (those of the training
            alone, before the others), `options` (keys of the training), `measures` (names of what is measured) and, where they
            are not `seeds`, its own `seeds`.
        measures: by name `entry`, `base` (first config file), `files` (overlays, which come before those of the method) and
            `options`.
        seeds: seeds of the trainings.
        output_dir: folder of the benchmark; a run has the subfolder `METHOD/seed-SEED`.
        cohort_files: overlays of the cohort, which come directly after the first file.
        common: keys of all stages.
        training: keys of all trainings.
    """
    runs = []
    alone = [name for name in methods if "seeds" in methods[name]]  # others may need them
    turns = [(name, seed) for name in alone for seed in methods[name]["seeds"]]
    turns += [(name, seed) for seed in seeds for name in methods if name not in alone]
    for name, seed in turns:
        method, folder = methods[name], Path(output_dir) / name / f"seed-{seed}"
        own = {"output_dir": str(folder), **(common or {})}
        files = ("configs/train.yaml", *cohort_files, *method.get("training", ()), *method.get("overlays", ()))
        options = {**own, "ckpt_dir": str(folder / "train"), "seed": seed, **(training or {}), **method.get("options", {})}
        stages = [Stage("training", "training", files, options, folder, folder / "train" / "model.pt")]
        for measure in method.get("measures", ()):
            wanted = measures[measure]
            files = (wanted["base"], *cohort_files, *wanted.get("files", ()), *method.get("overlays", ()))
            own["output_dir"] = str(folder / measure)
            options = {**own, "checkpoint": str(folder / "train" / "model.pt"), **wanted.get("options", {})}
            stages.append(Stage(measure, wanted["entry"], files, options, folder, folder / measure))
        runs.append(Run(name, seed, tuple(stages)))
    return runs


def choose_runs(runs: Sequence[Run], methods: Mapping[str, Mapping[str, Any]], only: Sequence[str] | None) -> list[Run]:
    """Return the runs of some methods, with those that have seeds of their own, as others need them.

    Args:
        runs: all runs.
        methods: see `plan_runs`.
        only: names of the methods; None for all.

    Raises:
        ValueError: When it is no list, or a name is not that of a method.
    """
    if isinstance(only, str) or only == []:
        raise ValueError(f"only must be a list of methods, or null for all, got {only!r}")
    unknown = sorted(set(only or ()) - set(methods))
    if unknown:
        raise ValueError(f"only has {unknown[0]}; known methods are {', '.join(methods)}")
    return [run for run in runs if only is None or run.method in only or "seeds" in methods[run.method]]


def plan_cohort(output_dir: str | Path, cohort_files: Sequence[str] = (), common: Mapping[str, Any] | None = None) -> Run:
    """Return the run that comes before all others: it lists the cohort, and makes it where it is an embedded one.

    Args:
        output_dir: folder of the benchmark.
        cohort_files: overlays of the cohort.
        common: keys of all stages.
    """
    folder = Path(output_dir) / "cohort"
    options = {"output_dir": str(folder), **(common or {})}
    return Run("cohort", 0, (Stage("listing", "listing", ("configs/train.yaml", *cohort_files), options, folder),))


def read_record(stage: Stage) -> dict[str, Any] | None:
    """Return what was recorded when a stage ended well; None when it has not, or record or results are lost.

    Args:
        stage: the stage.

    Raises:
        ValueError: When the record is that of another command.
    """
    if not stage.record.is_file():
        return None
    try:
        record: dict[str, Any] = json.loads(stage.record.read_text())
        arguments = record["arguments"]
    except (ValueError, KeyError):
        return None
    if arguments != stage.command()[1:]:
        again = (
            f"remove the folder {stage.folder} to have all of this run done again"
            if stage.entry == "training"
            else "remove that file to have it measured again, the training stays"
        )
        raise ValueError(f"{stage.record} is of a {stage.name} with other settings: give another output_dir, or {again}")
    return record if stage.has_results() else None


def check_files(stages: Sequence[Stage], root: Path) -> None:
    """Refuse stages whose config files or entry points are absent, before anything runs.

    Args:
        stages: the stages.
        root: the bundle's root.

    Raises:
        ValueError: When a file does not exist, or no file has the entry point.
    """
    known: dict[str, set[str]] = {}
    for stage in stages:
        for name in stage.files:
            if not (root / name).is_file():
                raise ValueError(f"the {stage.name} of {stage.folder.parent.name} names {name}, which does not exist")
            if name not in known:
                known[name] = set(ConfigParser.load_config_file(root / name))
        if not any(stage.entry in known[name] for name in stage.files):
            raise ValueError(f"the {stage.name} of {stage.folder.parent.name} names the entry {stage.entry}, which no config has")


def digest_files(stage: Stage, root: Path) -> dict[str, str]:
    """Return a digest of what each config file of a stage says, whatever its comments.

    Args:
        stage: the stage.
        root: the bundle's root.
    """
    return {name: _digest_file(root / name) for name in stage.files}


def find_changed_files(stages: Sequence[Stage], root: Path) -> list[str]:
    """Return the config files that say something else than when a stage ended well.

    Args:
        stages: stages, done or not.
        root: the bundle's root.
    """
    records = filter(None, map(read_record, stages))
    used = {pair for record in records for pair in record.get("configs", {}).items()}  # many stages have the same files
    return sorted({name for name, digest in used if _digest_file(root / name) != digest})


def list_stages(runs: Sequence[Run]) -> Iterator[Stage]:
    """Yield the stages of all runs.

    Args:
        runs: the runs.
    """
    for run in runs:
        yield from run.stages


def _digest_file(path: Path) -> str:
    """Return a digest of what a config file says."""
    text = json.dumps(ConfigParser.load_config_file(path), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write(value: Any) -> str:
    """Write a value as the command line of MONAI takes it."""
    return str(value) if isinstance(value, str | bool | int | float) else repr(value)
