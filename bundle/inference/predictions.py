"""The files that inference leaves behind."""

import json
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events

from bundle.data.bids import Derivative, write_derivative
from bundle.data.discovery import IMAGES, SERIES
from bundle.errors import FULL_ERRORS, describe_failures
from bundle.files import check_writable, hold_folder, remove_leftovers
from bundle.inference.datasets import DONE, FAILURE
from bundle.inference.explained_scans import (
    OVERVIEW,
    describe_state,
    is_too_long,
    list_files,
    list_warnings,
    write_explanation,
)
from bundle.inference.methods import NETWORK, Methods
from bundle.inference.overview import Overview
from bundle.inference.postprocessing import NCC, NUMBERS
from bundle.inference.table import ScanTable, find_key
from bundle.ranks import count_ranks, get_rank, is_first, run_once, wait_for_ranks
from bundle.records import check_settings, compute_fingerprint, read_record, write_record

TABLE, RECORD, LOCK, LOGS = "predictions.csv", "settings.json", "inference.lock", "logs"
TITLE = "Attribution maps"  # of a derivative
IGNORED = (  # none of BIDS
    "*.html", "*.png", "*.csv", "*.lock", RECORD, NETWORK, "regions.tsv", "ratings.tsv", "prepared",
    *(f"*_{key}.nii.gz" for key in SERIES),
)  # fmt: skip
PART = "predictions.{}.csv"  # rows of one of several processes, until the table has them
STATE = "size_and_time"  # column of the table: bytes and nanoseconds of the files of a scan
LAYOUT = "layout"  # key of the record, where files have names of BIDS
VERSION = 3  # of what is written for a scan: with another one scans that are done are done anew

logger = logging.getLogger(__name__)


class Predictions:
    """Write maps, overview and table row of each scan as soon as it is explained, and go on where an earlier run stopped.

    For a scan called NAME, `NAME_KEY.nii.gz` for each key of `IMAGES` and `SERIES` that the inferer gives, and a picture; for
    all scans `predictions.csv`, in `settings.json` what decides them, `network.json` and `logs/CITATION.md`. In a BIDS
    derivative images have names of BIDS and sidecars, and the dataset its description. Maps are in the network's intensity units,
    in which the range of a scan is 2, and the variance in their square; the translated scan is in the intensities of the scan.

    A scan is done when it has a row that says so, all its files, and size and time of change as in its row: it is not read again.

    Several processes share the scans that are not done. Each writes rows to a table of its own; the first puts them together at
    the end, or when a run that was killed is started again, with any number of processes.

    Args:
        output_dir: folder to write to.
        num_classes: number of classes, K.
        overview: draws a picture of each scan; None for none.
        settings: what decides the results, in the types of JSON; a folder with results of other ones is refused.
        resume: whether results that are there are kept; if not, they are replaced.
        class_names: names of the classes; empty where the checkpoint has none.
        methods: writes what was done; None for nothing.
        derivative: dataset that the files are a part of; None for plain names.
    """

    def __init__(
        self,
        output_dir: str | Path,
        num_classes: int,
        overview: Overview | None = None,
        settings: Mapping[str, Any] | None = None,
        resume: bool = True,
        class_names: Sequence[str] = (),
        methods: Methods | None = None,
        derivative: Derivative | None = None,
    ) -> None:
        self.output_dir, self.num_classes, self.overview, self.resume = Path(output_dir), num_classes, overview, resume
        self.class_names = list(class_names)
        self.methods, self.derivative = methods, derivative
        layout = {LAYOUT: "bids"} if derivative else {}
        self.settings = json.loads(json.dumps({"version": VERSION, **(settings or {}), **layout}, default=os.fspath))
        self.table = self.own = ScanTable(self.output_dir / TABLE, [])  # of all, and where this process writes
        self.keys: list[tuple[str, str]] = []  # of the scans, in their order
        self.states: dict[tuple[str, str], str] = {}  # before they are read
        self.said = set[str]()  # warnings that were logged

    def attach(self, engine: Engine) -> None:
        """Register with a `ScanEvaluator`."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.complete)

    def check(self, outputs: Sequence[str], items: Sequence[Mapping[str, Any]] = ()) -> None:
        """Refuse what `start` would refuse, before scans are prepared, which takes long.

        Args:
            outputs: names of the images and ages that a scan is given.
            items: scans, as far as they are known.

        Raises:
            OSError: When nothing can be written to the folder.
            ValueError: As in `start`, and when another process writes there.
        """
        self._set_columns(outputs)
        self.keys = [find_key(item) for item in items]

        def read() -> None:
            is_new = not self.output_dir.exists()
            check_writable(self.output_dir)
            with hold_folder(self.output_dir, self.output_dir / LOCK, "output_dir"):
                self._check_names([find_key(row) for row in self._read_done()] if self.resume else [])
            if is_new:  # and there may be no scan
                with suppress(OSError):  # another process writes there by now
                    self.output_dir.rmdir()

        run_once(read)

    def start(self, engine: Engine) -> None:
        """Find the scans that are done, remove what is left of the others, and choose those of this process.

        Raises:
            ValueError: When the folder holds results of other settings, or of another scan of the same name.
        """
        dataset: Any = engine.data_loader.dataset  # type: ignore[attr-defined]
        outputs = engine.inferer.list_outputs(engine.network)  # type: ignore[attr-defined]
        self._set_columns(outputs)
        keys = [key for key in (*IMAGES, *SERIES) if key in outputs]
        self.keys = [find_key(item) for item in dataset.data]
        for item in dataset.data:
            if FAILURE not in item and is_too_long(item["name"], self.output_dir, self.derivative is not None):
                item[FAILURE] = f"{item['scan']} has a name that is too long for those of its maps: give the file a shorter one"
        self.states = {key: describe_state(item) for key, item in zip(self.keys, dataset.data, strict=True)}
        left = run_once(lambda: self._begin(dataset.data, keys))
        own = left[get_rank() :: count_ranks()]
        dataset.done = set(range(len(self.keys))) - set(own)  # and what other processes do
        self.own = self.table
        if count_ranks() > 1:
            self.own = ScanTable(self.output_dir / PART.format(get_rank()), self.table.columns)
            self.own.write([])

    def __call__(self, engine: Engine) -> None:
        """Write what was computed last."""
        items: Any = engine.state.output
        for item in items:
            if DONE not in item:
                self.own.append(self._keep(item))

    def complete(self) -> None:
        """Put the rows of all processes into one table, in the order of the scans."""
        wait_for_ranks()
        if is_first():
            if parts := self._list_parts():
                self.table.write(row for table in (self.table, *parts) for row in table.read())
                self._remove(parts)
            self.table.sort(self.keys)

    def finish(self) -> None:
        """Say what was written, and end the program with status 1 and one sentence when scans failed.

        Raises:
            SystemExit: When a scan failed; MONAI does not wrap it in messages of its own.
        """
        keys = set(self.keys)
        rows = [row for row in self.table.read() if find_key(row) in keys]
        doubtful = [row for row in rows if row["warning"]]
        if doubtful:
            logger.warning(
                "%d of %d scans carry a warning (see %s); the first is %s: %s",
                len(doubtful), len(rows), self.table.path, doubtful[0]["scan"], doubtful[0]["warning"],
            )  # fmt: skip
        counts = Counter(sentence for row in doubtful for sentence in row["warning"].split("; "))
        for sentence, count in counts.items():
            if count > 1:
                logger.warning("%d of %d scans: %s", count, len(rows), sentence)
        failed = [row for row in rows if row["status"] == "failed"]
        if failed:
            raise SystemExit(
                f"{describe_failures(len(failed), len(rows))} (see {self.table.path}); the first: {failed[0]['reason']}"
            )

    def _set_columns(self, outputs: Sequence[str]) -> None:
        """Give the table its columns, which depend on the images and numbers that a scan is given."""
        probabilities = [f"probability_{label}" for label in range(self.num_classes)]
        columns = ["scan", "name", "status", "reason", "warning", "predicted_class", *probabilities, "target_class"]
        columns += ["predicted_name"] * bool(self.class_names)
        self.table = ScanTable(self.table.path, [*columns, STATE, *(key for key in NUMBERS if key in outputs), "truth", NCC])

    def _begin(self, items: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[int]:
        """Write the table of the scans that are done, remove what is left of the others, and return these by position."""
        earlier = {find_key(row): row for row in self._read_done()}
        self._check_names(list(earlier))
        found = [key in earlier and self._is_done(item, earlier[key], keys) for key, item in zip(self.keys, items, strict=True)]
        rows = [earlier[key] for key, done in zip(self.keys, found, strict=True) if done]
        names = {name for _, name in self.keys}
        others = [row for row in earlier.values() if row["name"] not in names]  # their files are still there
        self._clear([item for item, done in zip(items, found, strict=True) if not done])
        self._describe()
        write_record(self.output_dir / RECORD, compute_fingerprint(self.settings), self.settings)
        self.table.write([*rows, *others])
        self._remove(self._list_parts())
        if rows or others:
            logger.info("Going on in %s, where %d of %d scans are done", self.output_dir, len(rows), len(self.keys))
        if others:
            logger.info("%s also keeps %d scans that dataset_dir does not hold", self.table.path, len(others))
        return [index for index, done in enumerate(found) if not done]

    def _list_parts(self) -> list[ScanTable]:
        """Return the tables of several processes that are there."""
        return [ScanTable(path, self.table.columns) for path in sorted(self.output_dir.glob(PART.format("*")))]

    def _remove(self, tables: Sequence[ScanTable]) -> None:
        for table in tables:
            table.path.unlink(missing_ok=True)

    def _read_done(self) -> list[dict[str, str]]:
        """Return the rows of scans that were done with the same settings."""
        record, path = self.output_dir / RECORD, self.table.path
        if not self.resume:
            self._remove([self.table, *self._list_parts()])  # before the record of their settings is replaced
        rows = [row for table in (self.table, *self._list_parts()) for row in table.read() if row["status"] == "done"]
        if rows:
            settings = read_record(record, None)
            if settings is None:
                raise ValueError(
                    f"{path} is there without the {RECORD} that says how it was made: give another output_dir, or"
                    " --resume False to replace it"
                )
            check_settings(path, settings, self.settings)
        return rows

    def _check_names(self, earlier: Sequence[tuple[str, str]]) -> None:
        """Refuse a scan that has the name, and so the files, of a scan of another dataset whose results are there."""
        scans, names = {scan for scan, _ in self.keys}, {name: scan for scan, name in self.keys}
        for scan, name in earlier:
            if name in names and scan not in scans:
                raise ValueError(
                    f"{self.output_dir} holds the maps of {scan}, and {names[name]} would replace them, as both are called"
                    f" {name}: give another output_dir, or --resume False to replace all that is there"
                )

    def _describe(self) -> None:
        """Write what was done, and of a derivative what it is."""
        root = self.derivative.root if self.derivative else self.output_dir
        if self.methods is not None:
            self.methods.write(root / LOGS)
            self.methods.write_network(self.output_dir)
        if self.derivative is not None:
            write_derivative(self.derivative, TITLE, IGNORED)

    def _is_done(self, item: Mapping[str, Any], row: Mapping[str, str], keys: Sequence[str]) -> bool:
        """Check whether all files of a scan are there, and the scan is the one that its row tells of."""
        state = self.states[find_key(item)]
        files = list_files(item["name"], self.derivative is not None, keys, [OVERVIEW] * bool(self.overview))
        return state != "" and state == row[STATE] and all((self.output_dir / file).is_file() for file in files)

    def _clear(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Remove the files of scans that are to be done anew, in both layouts, and what a killed process left of them."""
        names = [item["name"] for item in items]
        names = [name for name in names if not any(is_too_long(name, self.output_dir, derived) for derived in (False, True))]
        paths = [self.output_dir / file for name in names for derived in (False, True) for file in list_files(name, derived)]
        for path in paths:
            path.unlink(missing_ok=True)
        remove_leftovers([*paths, self.table.path, self.output_dir / RECORD])

    def _sidecar(self, item: Mapping[str, Any], key: str) -> dict[str, Any]:
        """Return the sidecar of an image of a scan."""
        assert self.derivative is not None
        source = self.derivative.cite(item["scan"])
        own = self.methods.describe(item["result"], key) if self.methods else {}
        return {**own, "Sources": [source], "SpatialReference": source, "SkullStripped": True}

    def _keep(self, item: dict[str, Any]) -> dict[str, Any]:
        """Write the files of one scan and return its row; an `OSError` on a full disk ends it all."""
        warnings = list_warnings(item)
        row = {"scan": item["scan"], "name": item["name"], "status": "done", "warning": "; ".join(warnings)}
        row |= {STATE: self.states[find_key(item)], "truth": item.get("truth", "")}
        if FAILURE not in item:
            try:
                describe = self._sidecar if self.derivative else None
                write_explanation(item, self.output_dir, self.overview, describe)
            except OSError as error:
                if error.errno in FULL_ERRORS:  # no other scan could be written either
                    raise OSError(
                        f"{self.output_dir} cannot be written to ({(error.strerror or str(error)).lower()}): the scans that are"
                        " done stay, and the same command goes on from there"
                    ) from error
                item = {**item, FAILURE: f"{item['name']} could not be written: {error}"}
        if FAILURE in item:
            logger.warning("%s is left out: %s", item["scan"], item[FAILURE])
            return row | {"status": "failed", "reason": item[FAILURE]}
        for warning in [warning for warning in warnings if warning not in self.said]:  # others are counted in the end
            logger.warning("%s: %s", item["scan"], warning)
            self.said.add(warning)
        result = item["result"]
        probabilities = {f"probability_{label}": value for label, value in enumerate(result["probabilities"])}
        names = {"predicted_name": self.class_names[result["predicted_class"]]} if self.class_names else {}
        return (
            row
            | {key: result[key] for key in ("predicted_class", "target_class", *NUMBERS, NCC) if key in result}
            | probabilities
            | names
        )
