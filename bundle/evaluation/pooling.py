"""The evaluations of all folds as one: every participant was tested once, by a network that had not seen them."""

from collections.abc import Sequence
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bundle.evaluation.bootstrap import Bootstrap
from bundle.evaluation.classification import FIGURES as CLASS_FIGURES
from bundle.evaluation.classification import OF_ALL_CLASSES, score_predictions
from bundle.evaluation.map_metrics.scores import summarise_scores
from bundle.evaluation.names import CLASSIFIER, COLUMNS
from bundle.evaluation.reporting.results import Results
from bundle.evaluation.reporting.tables import format_results
from bundle.files import announce, check_writable

LEAST_FOLDS = 2


def pool_folds(folders: Sequence[str | Path] | str | None, results: Results, bootstrap: Bootstrap) -> pd.DataFrame:
    """Pool the test scans of all folds, write the tables, and print the results.

    Figures are those of all scans together, not means of the folds' figures. Linear probes are left out: each fold's latents have
    axes of their own.

    Args:
        folders: output folders of the folds' evaluations, or a glob pattern that finds them.
        results: where the tables go.
        bootstrap: how intervals are found.

    Returns:
        The contents of `metrics.csv`.

    Raises:
        FileNotFoundError: When a folder holds no evaluation.
        ValueError: When there are fewer than two folders, they are of different classes, or a participant was tested twice.
    """
    paths = find_folds(folders)
    parts = [Results(path / "eval", results.headline) for path in paths]
    for path, part in zip(paths, parts, strict=True):
        if not (part.folder / "predictions.csv").is_file():
            raise FileNotFoundError(
                f"{path} holds no evaluation ({part.folder / 'predictions.csv'}): run the evaluation of each fold"
            )
    check_writable(results.folder)
    settings = [part.read_settings() for part in parts]
    names = {tuple(each.get("class_names", ())) for each in settings}
    if len(names) > 1:
        raise ValueError(f"the folds have other classes: {' and '.join(str(list(each)) for each in sorted(names)[:2])}")
    predictions, scans = (_join(parts, paths, name) for name in ("predictions", "scans"))
    _check_participants(predictions)
    metrics = pd.concat([_summarise_scans(scans, bootstrap), _summarise_classes(predictions, bootstrap)], ignore_index=True)
    metrics = metrics.assign(cohort=f"{len(paths)} folds")[list(COLUMNS)]
    about: dict[str, Any] = {"folds": [str(path) for path in paths], "interval": bootstrap.describe()}
    about |= {"class_names": list(names.pop()), "checkpoints": [each.get("checkpoint") for each in settings]}
    results.write_tables({"metrics": metrics, "predictions": predictions, "scans": scans}, about)
    print(format_results(metrics, results.headline, ["linear probes, pairs, volumes and ages: see the folds"]))
    announce(results.folder, {
        "metrics.csv": f"figures over the test scans of {len(paths)} folds",
        "predictions.csv": "class of each scan, with its fold",
        "settings.json": "the folds",
    })  # fmt: skip
    return metrics


def find_folds(folders: Sequence[str | Path] | str | None) -> list[Path]:
    """Return the folders that are named, or that a pattern finds; a `ValueError` when there are fewer than two."""
    named = sorted(glob(folders)) if isinstance(folders, str) else list(folders or [])  # noqa: PTH207 absolute patterns too
    paths = list(dict.fromkeys(Path(each) for each in named))
    if len(paths) < LEAST_FOLDS:
        raise ValueError(
            f"folds must be the output folders of two folds or more, or a pattern such as 'output/fold-*', got {folders}"
        )
    return paths


def _join(parts: Sequence[Results], paths: Sequence[Path], name: str) -> pd.DataFrame:
    """Return a table of all folds, with the fold's folder in the column `fold`."""
    tables = [_read(part, name).assign(fold=path.name) for part, path in zip(parts, paths, strict=True)]
    kept = [table for table in tables if len(table)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame()


def _read(part: Results, name: str) -> pd.DataFrame:
    path = part.folder / f"{name}.csv"
    return part.read_table(name) if path.is_file() and path.read_text().strip() else pd.DataFrame()


def _check_participants(predictions: pd.DataFrame) -> None:
    """Refuse a participant who was tested in two folds."""
    folds = predictions.groupby(predictions["participant_id"].astype(str))["fold"].nunique()
    if len(twice := folds[folds > 1]):
        raise ValueError(
            f"{twice.index[0]} was tested in two folds ({len(twice)} such participants): give one evaluation a fold,"
            " of one num_folds and cohort_seed"
        )


def _summarise_scans(scans: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    return summarise_scores(scans, bootstrap) if len(scans) else pd.DataFrame()


def _summarise_classes(predictions: pd.DataFrame, bootstrap: Bootstrap) -> pd.DataFrame:
    """Return the rows of `metrics.csv` on the classes, of seen and unseen anatomies."""
    columns = [name for name in predictions if name.startswith("probability_")]
    tables = []
    for split, rows in predictions.groupby("split") if columns else ():
        labels, probabilities = rows["label"].to_numpy(), rows[columns].to_numpy()
        whole = len(np.unique(labels)) == len(columns)
        names = [name for name in CLASS_FIGURES if whole or name not in OF_ALL_CLASSES]
        table = score_predictions(labels, probabilities, bootstrap, names)
        tables.append(table.assign(split=split, protocol="", method=CLASSIFIER, direction=""))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
