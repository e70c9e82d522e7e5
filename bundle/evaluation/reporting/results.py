"""The files of an evaluation: its tables, its settings, and images of a few scans."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bundle.evaluation.names import METRICS
from bundle.files import check_writable, hold_folder, write_atomically

INDEX, PAGES = "index.html", "pages"  # page of all test scans, and folder of those of single ones
LOCK = "evaluation.lock"
LAST = "metrics"  # table that is written after all other files
OPTIONAL = ("pairs", "volumes", "regions", "ages", "uncertainty", "diversity")  # tables that are written only when they have rows


class Results:
    """The folder of an evaluation.

    Args:
        folder: where the files go.
        headline: metric of the printed table and of the report, `ncc_image` or `ncc_brain`.

    Raises:
        ValueError: When `headline` is unknown.
    """

    def __init__(self, folder: str | Path, headline: str = METRICS[0]) -> None:
        if headline not in METRICS:
            raise ValueError(f"headline must be one of {', '.join(METRICS)}, got {headline!r}")
        self.folder, self.headline = Path(folder), headline

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other processes away from the folder while the block runs.

        Raises:
            OSError: When nothing can be written to the folder.
            ValueError: When another process evaluates there.
        """
        check_writable(self.folder)
        with hold_folder(self.folder, self.folder / LOCK, "output_dir"):
            yield

    def begin(self) -> None:
        """Remove `metrics.csv`, which is written last: where it is, all files are of one evaluation."""
        (self.folder / f"{LAST}.csv").unlink(missing_ok=True)

    def remove_pages(self) -> None:
        """Remove the pages of an earlier evaluation."""
        (self.folder / INDEX).unlink(missing_ok=True)
        shutil.rmtree(self.folder / PAGES, ignore_errors=True)

    def write_tables(self, tables: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> None:
        """Write tables, each to NAME.csv, and `settings.json`; `metrics.csv` last.

        Args:
            tables: tables by name; optional ones that are empty are not written, and those of an earlier run removed.
            settings: what decides the results.
        """
        self.begin()
        with write_atomically(self.folder / "settings.json") as path:
            path.write_text(json.dumps(settings, indent=2) + "\n")
        for name, table in sorted(tables.items(), key=lambda item: item[0] == LAST):
            path = self.folder / f"{name}.csv"
            if table.empty and name in OPTIONAL:
                path.unlink(missing_ok=True)
                continue
            with write_atomically(path) as temporary:
                table.to_csv(temporary, index=False, float_format="%.6f")

    def write_images(self, images: Mapping[str, np.ndarray]) -> None:
        """Write images by name to `maps.npz`; without any, the file of an earlier run is removed."""
        path = self.folder / "maps.npz"
        path.unlink(missing_ok=True)
        if images:
            with write_atomically(path) as temporary:
                np.savez_compressed(temporary, allow_pickle=False, **images)

    def read_settings(self) -> dict[str, Any]:
        """Return the contents of `settings.json`."""
        return json.loads((self.folder / "settings.json").read_text())

    def read_table(self, name: str) -> pd.DataFrame:
        """Return a table, empty when it was not written."""
        path = self.folder / f"{name}.csv"
        return pd.read_csv(path).fillna({"protocol": "", "direction": ""}) if path.is_file() else pd.DataFrame()
