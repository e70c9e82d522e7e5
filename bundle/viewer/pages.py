"""A page for a cohort, and a page for each scan, of what inference has written."""

import html
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from bundle.data.discovery import IMAGES, SERIES
from bundle.errors import write_in_line
from bundle.files import unescape_name
from bundle.inference.overview import COLOUR_LIMIT, SPREAD_SHARE, check_limit
from bundle.inference.predictions import RECORD
from bundle.inference.regions import RegionTable
from bundle.inference.results import Results, Row
from bundle.ranks import is_first, run_once, share_work
from bundle.records import compute_fingerprint, hash_contents
from bundle.viewer.contents import Limits
from bundle.viewer.folder import link, read_quality
from bundle.viewer.regions import Labels, Regions, find_places, read_regions
from bundle.viewer.shown_scan import ShownScan, read_scan
from bundle.viewer.writer import INDEX, Entry, Writer

HEAD = 16_384  # bytes of a page that hold its state, and its thumbnail or its settings

logger = logging.getLogger(__name__)


class Pages:
    """Write `index.html`, with a row a scan, and `NAME_page.html` for each scan, with a viewer of its maps.

    Pages hold all that they show, and open from the disk. Pages that are there and would be the same are kept.

    Args:
        output_dir: folder that inference has written to.
        class_names: names of the classes; empty where the checkpoint has none.
        colour_limit: network intensity at which the colours of maps end.
        target_value: age in years that scans were translated to; None for none.
        cautions: sentences on the network that stand above all results.
        regions: wrote the table of regions, and labels the voxels of scans; None for pages that name no region at the cross.

    Raises:
        ValueError: When `colour_limit` is no positive number.
    """

    def __init__(
        self,
        output_dir: str | Path,
        class_names: Sequence[str] = (),
        colour_limit: float = COLOUR_LIMIT,
        target_value: float | None = None,
        cautions: Sequence[str] = (),
        regions: RegionTable | None = None,
    ) -> None:
        check_limit(colour_limit)
        self.settings: dict[str, Any] = {
            "class_names": list(class_names),
            "colour_limit": float(colour_limit),
            "target_value": target_value,
            "cautions": list(cautions),
        }
        self.results, self.cautions = Results(output_dir, class_names, target_value), list(cautions)
        self.regions = regions
        self.limits = Limits(float(colour_limit), SPREAD_SHARE * colour_limit)

    def write(self) -> Path | None:
        """Write the pages of all scans in the table of the folder.

        Returns:
            The page of the cohort; None when there is no table, or no scan in it.

        Raises:
            OSError: When a page cannot be written.
            ValueError: When the table of regions lacks a column.
        """
        rows: list[Row] = run_once(self.results.read_rows)
        if not rows:
            return None
        done, regions = [row for row in rows if row["status"] == "done"], read_regions(self.results.folder)
        titles = self._list_titles(done)
        entries = share_work(range(len(done)), lambda place: self._write_scan(done, place, titles[place], regions), "pages")
        if is_first():
            of_name = {row["name"]: entry for row, entry in zip(done, entries, strict=True)}
            shown = [self._show(row, of_name.get(row["name"], Entry())) for row in rows]
            self._writer.write_cohort(shown, self._list_titles(rows))
        return self.results.folder / INDEX

    def collect(self, folders: Sequence[str]) -> Path:
        """Write the page of the cohort over the pages of several inferences, which stay as they are; no image is read.

        Args:
            folders: where the inferences have written to, relative to the folder of the page.

        Raises:
            OSError: When the page cannot be written.
        """
        shown = []
        for folder in folders:
            part = read_pages(self.results.folder / folder) or self
            results = Results(self.results.folder / folder)
            for row in results.read_rows():
                path = results.name_page(row)
                thumbnail = _find_thumbnail(path) if row["status"] == "done" and path.is_file() else ""
                entry = Entry(thumbnail, link(path, self.results.folder)) if thumbnail else Entry(reason="no page")
                shown.append({**part._show(row, entry), "row": {**row, "name": f"{folder}/{row['name']}"}})
        return self._writer.write_cohort(shown, self._list_titles([item["row"] for item in shown]), top=True)

    @cached_property
    def _writer(self) -> Writer:
        record = self.results.folder / RECORD
        run = hash_contents(record if record.is_file() else None) or ""
        return Writer(self.results, self.limits, self.cautions, run, settings=self.settings)

    def _write_scan(self, rows: Sequence[Row], place: int, title: str, regions: Regions) -> Entry:
        """Write the page of a scan, or keep the one that is there."""
        row, results, writer = rows[place], self.results, self._writer
        path, own = results.name_page(row), regions.get(row["name"], [])
        beside = [results.link(rows[other], row) if 0 <= other < len(rows) else "" for other in (place - 1, place + 1)]
        controls = self.regions.describe_controls() if self.regions else ""
        settings = [writer.run, self.regions is not None, controls, self.limits, self.cautions, results.class_names]
        settings += [results.target_value]
        state = compute_fingerprint(writer.version, row, settings, beside, own, title)
        if thumbnail := _find_thumbnail(path, state):
            return Entry(thumbnail, results.link(row))
        try:
            shown = read_scan(results, row)
            labels = self._label(row, shown) if own else None
        except (OSError, ValueError) as error:
            logger.warning("%s gets no page: %s", row["scan"], error)
            path.unlink(missing_ok=True)
            return Entry(reason=f"no page: {write_in_line(error)}")
        files = [file for key in (*IMAGES, *SERIES) if (file := results.find_image(row, key)).is_file()]
        return writer.write_scan(row, shown, title, beside, state, own, labels, controls, files)

    def _label(self, row: Row, shown: ShownScan) -> Labels | None:
        """Return the regions of a scan, where they are known."""
        if self.regions is None or self.regions.atlas is None:
            return None
        return find_places(*self.regions.label(row), shown.layers[0].values)

    def _show(self, row: Row, entry: Entry) -> dict[str, Any]:
        """Return what the page of the cohort shows of a scan."""
        return self._writer.show(row, entry, self._quality.get(unescape_name(row["scan"]), ""))

    @cached_property
    def _quality(self) -> Mapping[str, str]:
        """The preparation's quality of each scan, where there is one."""
        return read_quality(self.results.folder)

    def _list_titles(self, rows: Sequence[Row]) -> list[str]:
        """Return what pages call scans: by their names, of BIDS by those of their files where no two share one."""
        names = [row["name"] for row in rows]
        if not self.results.is_derived:
            return names
        files = [name.rpartition("/")[2] for name in names]
        counts = Counter(files)
        return [file if counts[file] == 1 else name for file, name in zip(files, names, strict=True)]


def read_pages(folder: str | Path) -> Pages | None:
    """Return what has written the page of the cohort in a folder, with its settings; None where there is no such page.

    Args:
        folder: where an inference has written to.
    """
    path = Path(folder) / INDEX
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(HEAD).decode("utf-8", "replace")
    text = html.unescape(head.partition('<meta name="settings" content="')[2].partition('"')[0])
    return Pages(folder, **json.loads(text)) if text else None


def _find_thumbnail(path: Path, state: str | None = None) -> str:
    """Return the thumbnail of a page that was made in the same state, or in any; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        head = file.read(HEAD).decode("utf-8", "replace")
    if state is not None and f'<meta name="state" content="{state}">' not in head:
        return ""
    return head.partition('<link rel="icon" href="')[2].partition('"')[0]
