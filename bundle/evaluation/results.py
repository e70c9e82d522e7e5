"""What an evaluation leaves behind: its tables, its settings, and the printed results."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from bundle.evaluation.scorer import MapScorer
from bundle.evaluation.scoring import COLUMNS
from bundle.evaluation.tables import format_results
from bundle.files import write_atomically

OPTIONAL = ("pairs", "volumes", "ages", "uncertainty", "variety")  # tables that are written only when they have rows


def list_predictions(scorer: MapScorer, probabilities: Tensor) -> pd.DataFrame:
    """Return the contents of `predictions.csv`, a row a test scan.

    Args:
        scorer: the test scans.
        probabilities: their predicted class probabilities, shape (N, K); (N, 0) where nothing tells them.
    """
    predictions = pd.DataFrame([scorer.describe(index) for index in range(len(scorer.test))]).drop(columns="scan")
    if probabilities.shape[1]:
        predictions["predicted"] = probabilities.argmax(1).numpy()
    for label, column in enumerate(probabilities.T.tolist()):
        predictions[f"probability_{label}"] = column
    return predictions


def publish(
    folder: Path,
    rows: Sequence[pd.DataFrame],
    tables: Mapping[str, pd.DataFrame],
    settings: Mapping[str, Any],
    left_out: Sequence[str],
    images: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Write `metrics.csv`, other tables, `settings.json` and `maps.npz`, remove tables of an earlier run, and print the results.

    Args:
        folder: where they go.
        rows: parts of `metrics.csv`.
        tables: contents of the others by name; optional ones that are empty are not written.
        settings: what decides the results, `cohort` and `headline` among it.
        left_out: sentences on what could not be computed.
        images: maps of a few scans, by name.

    Returns:
        The contents of `metrics.csv`.
    """
    metrics = pd.concat(rows, ignore_index=True)
    metrics.insert(0, "cohort", settings["cohort"])
    metrics = metrics[list(COLUMNS)]
    write_tables(folder, {"metrics": metrics, **tables}, settings)
    _write_images(folder / "maps.npz", images)
    print(format_results(metrics, settings["headline"], left_out))
    return metrics


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> None:
    """Write tables, each to NAME.csv, and `settings.json`.

    Args:
        folder: where they go.
        tables: tables by name; optional ones that are empty are not written, and those of an earlier run removed.
        settings: what decides the results.
    """
    for name, table in tables.items():
        path = folder / f"{name}.csv"
        if table.empty and name in OPTIONAL:
            path.unlink(missing_ok=True)
            continue
        with write_atomically(path) as temporary:
            table.to_csv(temporary, index=False, float_format="%.6f")
    with write_atomically(folder / "settings.json") as path:
        path.write_text(json.dumps(settings, indent=2) + "\n")


def _write_images(path: Path, images: Mapping[str, np.ndarray]) -> None:
    """Write images by name; without any, the file of an earlier run is removed."""
    path.unlink(missing_ok=True)
    if images:
        with write_atomically(path) as temporary:
            np.savez_compressed(temporary, allow_pickle=False, **images)
