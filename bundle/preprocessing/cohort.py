"""From a folder of raw scans to a cohort that the networks take."""

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from bundle.data.bids import write_derivative
from bundle.data.discovery import DEAD, find_source, is_dead
from bundle.data.layouts import choose_layout
from bundle.errors import FULL_ERRORS, describe_failures, write_in_line
from bundle.files import (
    MANIFEST,
    check_writable,
    escape_name,
    hold_folder,
    remove_leftovers,
    write_atomically,
    write_nifti,
    write_table,
)
from bundle.preprocessing.pictures import OVERVIEW, save_picture, write_overview
from bundle.preprocessing.pipeline import Settings, prepare_scan
from bundle.preprocessing.quality_control import RejectedScan
from bundle.preprocessing.sources import find_raw_scans, keep_stems
from bundle.records import compute_fingerprint, read_record, write_record
from bundle.workers import KILLED, Workers

VERSION = 2  # of the steps: another one makes all scans anew
TABLE, LOCK = "prepared.tsv", "prepare.lock"
TABLE_SECONDS = 1.0  # between two writings of the table, which takes longer the more scans it has
RECORD = "desc-prepared_T1w.json"
ENDINGS = {
    "image": "desc-prepared_T1w.nii.gz",
    "brain_mask": "desc-brain_mask.nii.gz",
    "transform": "from-raw_to-prepared_xfm.txt",
    "picture": "desc-prepared_T1w.png",
}
IGNORED = ("*.html", "*.png", "*.lock", "*_xfm.txt", TABLE, MANIFEST)  # files that are none of BIDS
NEEDED = ("participant_id", "label", "split")  # columns of the source with which the prepared scans are a cohort to train on
MEASURES = ("brain_volume_ml", "template_correlation", "num_slices", "smallest_scale", "largest_scale")

logger = logging.getLogger(__name__)


class CohortPreprocessing:
    """Prepare all scans of a folder, table or dataset, each once, and list how it went.

    Below `output_dir`, for each scan NAME, where `find_raw_scans` places it, `NAME_desc-prepared_T1w.nii.gz`, its brain mask,
    the transform from the raw scan, a picture and a record; for all `prepared.tsv`, `overview.html`, and when the source has
    labels and splits `manifest.tsv`, with the scans that are done. A scan that is done and has not changed is not done again.
    Scans that an earlier version prepared keep the names that it gave them.

    Args:
        dataset_dir: NIfTI file, folder or table, as in `find_raw_scans`.
        output_dir: folder to write to.
        settings: what is done to a scan.
        workers: where scans are prepared; None for one process of this machine.
        scan_suffix: contrast that is taken of a BIDS or CAPS dataset; None, or "all", for every scan.
    """

    def __init__(
        self,
        dataset_dir: str | Path,
        output_dir: str | Path,
        settings: Settings | None = None,
        workers: Workers | None = None,
        scan_suffix: str | None = "T1w",
    ) -> None:
        self.dataset_dir, self.scan_suffix = dataset_dir, scan_suffix
        self.output_dir = Path(output_dir).expanduser().resolve()
        self.settings = settings or Settings()
        self.workers = workers or Workers(1)
        self.rows: dict[int, dict[str, Any]] = {}

    @cached_property
    def scans(self) -> list[dict[str, Any]]:
        """Rows of `find_raw_scans`, with the names that an earlier preparation gave."""
        scans = keep_stems(find_raw_scans(self.dataset_dir, self.scan_suffix), self.output_dir / TABLE).to_dict("records")
        for scan in scans:
            if (self.output_dir / scan["stem"]).parent == Path(scan["raw_image"]).parent.resolve():
                raise ValueError(
                    f"output_dir {self.output_dir} would hold prepared scans among raw ones, such as {scan['raw_image']}: give"
                    f" another folder, such as {self.output_dir / 'prepared'}"
                )
        return scans

    def run(self) -> Path:
        """Prepare the scans that are not done yet.

        Returns:
            The folder of the prepared scans.

        Raises:
            FileNotFoundError: When `dataset_dir` does not exist.
            OSError: When nothing can be written to `output_dir`.
            ValueError: When there is no scan in it, prepared ones would lie among raw ones, or another process prepares scans in
                `output_dir`.
        """
        scans = self.scans
        derivative = choose_layout("auto", self.dataset_dir, self.output_dir)
        check_writable(self.output_dir)
        with hold_folder(self.output_dir, self.output_dir / LOCK, "output_dir"):
            if derivative is not None and derivative.raw == find_source(self.dataset_dir):  # names are relative to it
                write_derivative(derivative, "Prepared scans", IGNORED)
            self._prepare_scans(scans)
            write_overview(self.table(), self.output_dir / OVERVIEW)
            self._write_manifest()
        return self.output_dir

    def _prepare_scans(self, scans: list[dict[str, Any]]) -> None:
        """Prepare scans, and write the table every now and then: a run that goes on finds what is done in the records."""
        self.rows, written = {}, 0.0
        remove_leftovers(self.output_dir / name for name in (TABLE, MANIFEST, OVERVIEW))
        with tqdm(total=len(scans), desc="preparing scans", unit="scan") as bar:
            for index, outcome in self._prepare_all(scans):
                row = scans[index] | outcome
                self.rows[index] = {name: escape_name(value) if isinstance(value, str) else value for name, value in row.items()}
                if outcome["status"] == "failed":
                    logger.warning("%s is left out: %s", scans[index]["raw_image"], outcome["message"])
                elif outcome["warning"]:
                    logger.warning("%s: %s", scans[index]["raw_image"], outcome["warning"])
                if time.monotonic() - written > TABLE_SECONDS or len(self.rows) == len(scans):
                    write_table(self.output_dir / TABLE, self.table())
                    written = time.monotonic()
                bar.update()

    def table(self) -> pd.DataFrame:
        """Return the table of what is done so far, one row a scan in the order of the source."""
        rows = pd.DataFrame([self.rows[index] for index in sorted(self.rows)]).drop(columns="stem")
        last = ["image", "brain_mask", "raw_image", "transform", "picture", "status", "message", "warning", *MEASURES, "seconds"]
        return rows.reindex(columns=[*(name for name in rows if name not in last and not name.startswith("seconds_")), *last,
                                     *(name for name in rows if name.startswith("seconds_"))])  # fmt: skip

    def finish(self) -> None:
        """End the program with status 1 and one sentence when scans failed.

        Raises:
            SystemExit: When a scan failed.
        """
        failed = [row for _, row in sorted(self.rows.items()) if row["status"] == "failed"]
        if failed:
            raise SystemExit(
                f"{describe_failures(len(failed), len(self.rows))} (see {self.output_dir / TABLE});"
                f" the first: {failed[0]['message']}"
            )

    def _prepare_all(self, scans: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the number of each scan and what became of it, in the order in which they are done."""
        jobs = [(scan["raw_image"], self.output_dir, scan["stem"], self.settings) for scan in scans]
        for index, outcome in self.workers.run(_prepare_and_write, jobs):
            yield index, outcome or {"status": "failed", "message": KILLED.format(scans[index]["raw_image"])}

    def _write_manifest(self) -> None:
        """Write the scans that are done as a cohort, when the source has their classes and splits."""
        table = self.table()
        (self.output_dir / MANIFEST).unlink(missing_ok=True)
        if set(NEEDED) <= set(table):
            dropped = ["picture", "status", "message", "warning", *(name for name in table if name.startswith("seconds"))]
            write_table(self.output_dir / MANIFEST, table[table["status"] == "done"].drop(columns=dropped))


def _prepare_and_write(raw_image: str, output_dir: Path, stem: str, settings: Settings) -> dict[str, Any]:
    """Prepare one scan, unless that was done before, and return the columns of its row; `stem` is the path of its files."""
    if is_dead(raw_image):
        return {"status": "failed", "message": f"{raw_image} is a {DEAD}"}
    names = {column: f"{stem}_{ending}" for column, ending in ENDINGS.items()}
    files = {column: output_dir / name for column, name in names.items()}
    record = output_dir / f"{stem}_{RECORD}"
    fingerprint = compute_fingerprint(VERSION, asdict(settings), files=[raw_image])
    if done := read_record(record, fingerprint, files.values()):
        return done["columns"]
    try:
        for path in (record, *files.values()):  # of other settings, or of a run that was killed
            path.unlink(missing_ok=True)
        remove_leftovers([record, *files.values()])
        prepared = prepare_scan(raw_image, settings)
        write_nifti(files["image"], prepared.image, prepared.affine)
        write_nifti(files["brain_mask"], prepared.brain_mask, prepared.affine)
        with write_atomically(files["transform"]) as path:
            header = "world of the raw scan to world of the prepared scan, mm (RAS)"
            np.savetxt(path, prepared.transform, fmt="%.12g", header=header)
        save_picture(prepared, files["picture"])
        measures = {name: round(value, 4) for name, value in prepared.measures.items()}
        seconds = {f"seconds_{step}": value for step, value in prepared.seconds.items()}
        total = round(sum(prepared.seconds.values()), 2)
        warning = "; ".join(prepared.warnings) or None
        columns = {"status": "done", "warning": warning, **names, **measures, "seconds": total, **seconds}
        write_record(record, fingerprint, {"RawSources": [raw_image], "SkullStripped": True, "columns": columns})
        return columns
    except RejectedScan as error:
        if error.prepared is None:
            return {"status": "failed", "message": str(error), **error.measures}
        save_picture(error.prepared, files["picture"])
        return {"status": "failed", "message": str(error), **error.measures, "picture": names["picture"]}
    except Exception as error:  # whatever is wrong with a scan, the others are prepared
        if isinstance(error, OSError) and error.errno in FULL_ERRORS:  # no other scan could be written either
            raise
        text = write_in_line(error)
        return {"status": "failed", "message": text if raw_image in text else f"{raw_image}: {text}"}
