"""The table of regions that inference leaves behind: how much the mean map of each scan changes each of them."""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bundle.atlases import (
    LEAST,
    LEAST_OVERLAP,
    NAMES,
    THRESHOLD,
    Placed,
    Region,
    check_atlas,
    check_place,
    find_reliability,
    label_voxels,
    list_files,
    load_atlas,
    measure_changes,
)
from bundle.data.headers import place
from bundle.data.scans import LoadScan, open_scan
from bundle.data.tables import read_table
from bundle.errors import write_in_line
from bundle.files import unescape_name, write_table
from bundle.inference.overview import name_class
from bundle.inference.predictions import RECORD
from bundle.inference.predictions import STATE as SCAN_STATE
from bundle.inference.region_picture import save_picture
from bundle.inference.results import Results, Row, make_volume
from bundle.inference.table import find_key
from bundle.ranks import is_first, run_once, share_work
from bundle.records import compute_fingerprint, hash_contents, read_record

TABLE, PICTURE = "regions.tsv", "regions.png"
GROUP = ["region", "side", "target_class"]  # within which scans are compared with controls
STATE = "state"  # column: fingerprint of scan and settings, with which its rows are kept
COLUMNS = ["name", "target_class", "region", "side", "mean", "extreme", "volume_ml", "region_ml", "z", "reliability", "reason",
           STATE]  # fmt: skip
VERSION = 1  # of what is measured: with another one all scans are measured anew
REFERENCE = (*GROUP, "mean")
FEW = 20  # controls with fewer of which z-scores are rough

logger = logging.getLogger(__name__)


class RegionTable:
    """Write `regions.tsv`, with a row for each scan in MNI space and region of an atlas, and `regions.png`, with bars.

    Scans elsewhere have one row, with the reason why their regions are not known. Rows of scans that were measured before, with
    the same settings, are kept, but for z-scores; with another atlas or threshold no map is computed again.

    Args:
        output_dir: folder that inference has written to.
        atlas: one of `bundle.atlases.NAMES`, or the file of a label image; None for no table.
        threshold: magnitude above which a voxel's change counts into the volume, network intensity.
        least_overlap: Dice's coefficient of the brains of a scan and of MNI152 from which on the scan lies in MNI space.
        plane: world z in mm of the axial slice that the network takes of volumes; None where it takes volumes whole.
        reference: `regions.tsv` of controls, for z-scores; None for none.
        class_names: names of the classes; empty where the checkpoint has none.
    """

    def __init__(
        self,
        output_dir: str | Path,
        atlas: str | None = "regions",
        threshold: float = THRESHOLD,
        least_overlap: float = LEAST_OVERLAP,
        plane: float | None = None,
        reference: str | Path | None = None,
        class_names: Sequence[str] = (),
    ) -> None:
        self.results = Results(output_dir, class_names)
        self.atlas, self.threshold, self.least_overlap = atlas, threshold, least_overlap
        self.plane, self.reference = plane, reference
        self.items: dict[tuple[str, str], Mapping[str, Any]] = {}  # scans of `find_scans`, by path and name

    def check(self) -> None:
        """Refuse wrong settings before anything is computed.

        Raises:
            FileNotFoundError: When there is no such table of controls.
            ValueError: When a setting is not accepted, or the table of controls lacks a column.
        """
        if self.atlas is None:
            return
        check_atlas(self.atlas)
        for key, value, most in (("region_threshold", self.threshold, np.inf), ("least_overlap", self.least_overlap, 1)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                raise ValueError(f"{key} must be a number from 0 {'on' if most > 1 else 'to 1'}, got {value!r}")
        _ = self._controls

    def write(self, items: Sequence[Mapping[str, Any]] = ()) -> Path | None:
        """Write table and picture of all scans that are done; remove those of an earlier run when there is no atlas.

        Args:
            items: scans of `find_scans`, which say how prepared scans came into MNI space.

        Returns:
            The table; None without an atlas or a scan.

        Raises:
            OSError: When a file cannot be written.
            ValueError: When a setting is not accepted.
        """
        self.check()
        rows: list[Row] = run_once(lambda: [row for row in self.results.read_rows() if row["status"] == "done"])
        path = self.results.folder / TABLE
        if self.atlas is None or not rows:
            if is_first():
                for old in (path, path.with_name(PICTURE)):
                    old.unlink(missing_ok=True)
            return None
        self.items, earlier = {find_key(item): item for item in items}, run_once(self._read_earlier)
        record = self.results.folder / RECORD
        settings = [VERSION, *self._describe(), hash_contents(record if record.is_file() else None)]

        def find(row: Row) -> pd.DataFrame:
            state = compute_fingerprint(settings, row["name"], row[SCAN_STATE], row["target_class"])
            kept = earlier.get(state)
            return self._measure(row, state) if kept is None else kept

        parts = share_work(rows, find, "regions")
        if is_first():
            table = self._compare(self._rate(pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)))
            self._say_missing(table, len(rows))
            write_table(path, table, "%.6g")
            save_picture(table, path.with_name(PICTURE), self.threshold, self.results.class_names)
        return path

    def label(self, row: Row) -> tuple[np.ndarray, Mapping[int, Region]]:
        """Return the label of each voxel of the mean map of a scan in MNI space, shape (H, W, D), and the region of each label.

        Args:
            row: row of the scan, which the table has regions of.

        Raises:
            OSError: When the map cannot be read.
            ValueError: When it cannot be read as NIfTI.
        """
        atlas = load_atlas(str(self.atlas))
        return label_voxels(self._place_map(row), atlas, self.plane), atlas.regions

    def _describe(self) -> list[Any]:
        """Return what decides the rows of a scan, beside the scan itself."""
        name = str(self.atlas)
        atlas = name if name in NAMES else [hash_contents(path) for path in list_files(name)]
        return [atlas, self.threshold, self.least_overlap, self.plane]

    def _read_earlier(self) -> dict[str, pd.DataFrame]:
        """Return the rows of an earlier table by their state; without a state, those of scans that could not be read."""
        path = self.results.folder / TABLE
        if not path.is_file():
            return {}
        table = pd.read_csv(path, sep="\t", dtype={"name": str, STATE: str}, na_values="n/a", keep_default_na=False)
        if list(table) != COLUMNS:  # of another version
            return {}
        return {str(state): rows.assign(z=np.nan) for state, rows in table.groupby(STATE, sort=False)}

    def _measure(self, row: Row, state: str) -> pd.DataFrame:
        """Return the rows of a scan, or one that says why there are none."""
        try:
            table = self._measure_placed((self._place_scan(row), self._place_map(row)))
        except (OSError, ValueError) as error:  # it is tried again
            table, state = pd.DataFrame({"reason": [write_in_line(error)]}), ""
        return table.assign(name=row["name"], target_class=int(row["target_class"])).assign(**{STATE: state or None})

    def _measure_placed(self, scans: tuple[Placed, Placed]) -> pd.DataFrame:
        """Return the rows of a scan and its map, or one that says why there are none."""
        scan, change = scans
        try:
            check_place(scan, self.least_overlap)
        except ValueError as error:
            return pd.DataFrame({"reason": [str(error)]})
        table = measure_changes(change, load_atlas(str(self.atlas)), self.threshold, self.plane)
        return table if len(table) else pd.DataFrame({"reason": ["none of the atlas's regions lies in the scan"]})

    def _place_scan(self, row: Row) -> Placed:
        """Return a scan, if prepared as it is then, with its place in MNI space."""
        item = self.items.get(find_key(row), {})
        scan = LoadScan(constant=True, max_voxels=np.inf)(item.get("image") or unescape_name(row["scan"]))
        return Placed(make_volume(scan.as_tensor()[0].numpy()), scan.affine.numpy(), scan.affine.numpy())

    def _place_map(self, row: Row) -> Placed:
        """Return the mean map of a scan with its place in MNI space."""
        item, path = self.items.get(find_key(row), {}), self.results.find_image(row, "fa_mean")
        edges = place(open_scan(path), path).affine
        transform = np.loadtxt(item["transform"]) if "transform" in item else np.eye(4)
        return Placed(self.results.read_image(row, "fa_mean"), transform @ edges, edges)

    def describe_controls(self) -> str:
        """Return a sentence, without a full stop, on the controls of z-scores: their number and table; empty without controls.

        Raises:
            FileNotFoundError: When there is no such table.
            ValueError: When it lacks a column.
        """
        counts = self._count_controls()
        if counts.empty:
            return ""
        names = self.results.class_names
        numbers = " and ".join(
            f"{count} control{'s' * (count > 1)} translated to {name_class(label, names)}" for label, count in counts.items()
        )
        rough = f": with fewer than {FEW} they are rough" if counts.min() < FEW else ""
        return f"The z-scores of regions compare with {numbers}, of {self.reference}{rough}"

    def _count_controls(self) -> pd.Series:
        """Return the number of controls by target class, in the region and side that most of them have."""
        controls = None if self.atlas is None else self._controls
        return pd.Series(dtype=int) if controls is None else controls["count"].groupby("target_class").max()

    @cached_property
    def _controls(self) -> pd.DataFrame | None:
        """Return mean, standard deviation and number of each region of controls; None without a table of theirs."""
        if self.reference is None:
            return None
        table = read_table(self.reference)
        if absent := [name for name in REFERENCE if name not in table]:
            raise ValueError(
                f"reference_regions {self.reference} has no column {absent[0]}: accepted is the {TABLE} of an inference of"
                " controls"
            )
        values = table.dropna(subset=["region"]).astype({"mean": float, "target_class": int})
        return values.groupby(GROUP)["mean"].agg(["mean", "std", "count"])

    def _compare(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table with z-scores, empty without controls or where fewer than two have the region and target class."""
        controls = self._controls
        if controls is None:
            return table
        few = self._count_controls().reindex(table["target_class"].unique()).min() < FEW
        logger.log(logging.WARNING if few else logging.INFO, "%s", self.describe_controls())
        expected = controls.reindex(pd.MultiIndex.from_frame(table[GROUP]))
        spread = expected["std"].where(expected["std"] > 0).to_numpy()
        table = table.assign(z=(table["mean"].to_numpy(float) - expected["mean"].to_numpy()) / spread)
        if (without := table["region"].notna() & table["z"].isna()).any():
            first = table[without].iloc[0]
            logger.warning(
                "%d of %d rows of %s have no z-score: reference_regions %s needs two controls or more with the same region and"
                " target class; the first is %s, %s, towards class %d",
                without.sum(), table["region"].notna().sum(), TABLE, self.reference, first["region"], first["side"],
                first["target_class"],
            )  # fmt: skip
        return table

    def _rate(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table with the reliability of each region, empty where it was not measured with this network and atlas."""
        record = read_record(self.results.folder / RECORD, None) or {}
        mirror_axis, shift = record.get("mirror_axis"), record.get("shift") or 0
        known = find_reliability(record.get("weights"), str(self.atlas), mirror_axis, shift)
        places = zip(table["region"], table["side"], strict=True)
        table = table.assign(reliability=[known.get(place, np.nan) for place in places])
        doubtful = dict.fromkeys(f"{row.side} {row.region}" for row in table[table["reliability"] < LEAST].itertuples())
        if doubtful:
            logger.warning(
                "this network does not draw the change of these regions reliably%s, as measured on simulated scans: %s: do not"
                " report them (column reliability of %s)",
                " in one view (mirror_axis: none)" * (mirror_axis is None), ", ".join(doubtful), self.results.folder / TABLE,
            )  # fmt: skip
        return table

    def _say_missing(self, table: pd.DataFrame, count: int) -> None:
        missing = table[table["reason"].notna()]
        if len(missing):
            first = missing.iloc[0]
            logger.warning(
                "%d of %d scans have no regions (see %s); the first is %s: %s",
                len(missing), count, self.results.folder / TABLE, first["name"], first["reason"],
            )  # fmt: skip
