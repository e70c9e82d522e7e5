"""A page for a cohort, and a page for each scan, of what inference has written."""

import html
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment

from bundle.atlases import LEAST
from bundle.data.discovery import IMAGES, SERIES
from bundle.errors import write_in_line
from bundle.files import escape_name, unescape_name, write_atomically
from bundle.inference.overview import COLOUR_LIMIT, SPREAD_SHARE, TYPICALITY, check_limit
from bundle.inference.postprocessing import NCC, NUMBERS
from bundle.inference.predictions import RECORD
from bundle.inference.regions import RegionTable
from bundle.inference.results import Results, Row
from bundle.ranks import is_first, run_once, share_work
from bundle.records import compute_fingerprint, hash_contents
from bundle.templates import SHARED, make_environment
from bundle.viewer.contents import SHARE, Limits, make_contents, name_rating
from bundle.viewer.folder import link, list_links, read_quality
from bundle.viewer.regions import Labels, Regions, find_places, read_regions
from bundle.viewer.shown_scan import ShownScan, read_scan
from bundle.viewer.volumes import pack_bytes

FOLDER = Path(__file__).parent
SCRIPT = FOLDER / "niivue" / "niivue.umd.js"
COLOURS = FOLDER.parent / "colours.py"
INDEX = "index.html"
HEAD = 16_384  # bytes of a page that hold its state, and its thumbnail or its settings

logger = logging.getLogger(__name__)


class Entry(NamedTuple):
    """What the page of the cohort shows of a scan.

    Attributes:
        thumbnail: small picture, a data URI; empty for none.
        link: address of its page; empty where it has none.
        reason: why it has none.
    """

    thumbnail: str = ""
    link: str = ""
    reason: str = ""


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
            self._write_cohort([self._show(row, of_name.get(row["name"], Entry())) for row in rows])
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
                item = part._show(row, entry)
                shown.append({**item, "row": {**row, "name": f"{folder}/{row['name']}"}})
        self._write_cohort(shown, top=True)
        return self.results.folder / INDEX

    @cached_property
    def _environment(self) -> Environment:
        environment = make_environment(FOLDER)
        environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
        environment.globals |= {
            "read": lambda name: (FOLDER / name).read_text(encoding="utf-8"),
            "limits": self.limits,
            "cautions": self.cautions,
            "settings": json.dumps(self.settings),
            "typicality": TYPICALITY,
            "run": self._run,
        }
        return environment

    @cached_property
    def _script(self) -> str:
        return pack_bytes(SCRIPT.read_bytes())

    @cached_property
    def _run(self) -> str:
        """Fingerprint of the settings of the run, under which the browser keeps ratings."""
        record = self.results.folder / RECORD
        return hash_contents(record if record.is_file() else None) or ""

    @cached_property
    def _version(self) -> str:
        """Fingerprint of what pages are made of: with another one they are made anew."""
        own = [path for suffix in ("html", "js", "css", "py") for path in sorted(FOLDER.glob(f"*.{suffix}"))]
        return compute_fingerprint([hash_contents(path) for path in (*own, *SHARED, COLOURS, SCRIPT)])

    def _write_scan(self, rows: Sequence[Row], place: int, title: str, regions: Regions) -> Entry:
        """Write the page of a scan, or keep the one that is there."""
        row, results = rows[place], self.results
        path, address, own = results.name_page(row), results.link(row), regions.get(row["name"], [])
        beside = [results.link(rows[other], row) if 0 <= other < len(rows) else "" for other in (place - 1, place + 1)]
        controls = self.regions.describe_controls() if self.regions else ""
        settings = [self._run, self.regions is not None, controls, self.limits, self.cautions, results.class_names]
        settings += [results.target_value]
        state = compute_fingerprint(self._version, row, settings, beside, own, title)
        if thumbnail := _find_thumbnail(path, state):
            return Entry(thumbnail, address)
        try:
            shown = read_scan(results, row)
            labels = self._label(row, shown) if own else None
        except (OSError, ValueError) as error:
            logger.warning("%s gets no page: %s", row["scan"], error)
            path.unlink(missing_ok=True)
            return Entry(reason=f"no page: {write_in_line(error)}")
        files = [results.find_image(row, key) for key in (*IMAGES, *SERIES)]
        contents = make_contents(row, shown, self.limits, labels)
        page = self._environment.get_template("scan.html").render(
            row=row,
            title=title,
            state=state,
            classes=results.name_classes(row),
            probabilities=results.list_probabilities(row),
            warnings=_list_warnings(row),
            home=results.climb(row) + INDEX,
            previous=beside[0],
            following=beside[1],
            regions=own,
            places=labels.places if labels else {},
            controls=controls,
            least=LEAST,
            files=[(link(file, path.parent), escape_name(file.name)) for file in files if file.is_file()],
            share=SHARE,
            niivue=self._script,
            **contents._asdict(),
        )
        with write_atomically(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        return Entry(contents.thumbnail, address)

    def _label(self, row: Row, shown: ShownScan) -> Labels | None:
        """Return the regions of a scan, where they are known."""
        if self.regions is None or self.regions.atlas is None:
            return None
        return find_places(*self.regions.label(row), shown.layers[0].values)

    def _show(self, row: Row, entry: Entry) -> dict[str, Any]:
        """Return what the page of the cohort shows of a scan."""
        done = row["status"] == "done"
        return {
            "row": row,
            "done": done,
            "entry": entry if done else Entry(),
            "classes": self.results.name_classes(row) if done else ("", ""),
            "probability": float(row[f"probability_{row['predicted_class']}"]) if done else 0.0,
            "warnings": _list_warnings(row),
            "key": name_rating(row),
            "quality": self._quality.get(unescape_name(row["scan"]), ""),
        }

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

    def _write_cohort(self, shown: Sequence[Mapping[str, Any]], top: bool = False) -> None:
        """Write the page of the cohort, or, at the top, that of several cohorts."""
        counts = Counter(sentence for item in shown for sentence in item["warnings"])
        content = self._environment.get_template("cohort.html").render(
            shown=shown,
            titles=self._list_titles([item["row"] for item in shown]),
            top=top,
            links=list_links(self.results.folder),
            common=[sentence for sentence, count in counts.items() if count > 1],
            counts=counts,
            quality=any(item["quality"] for item in shown),
            names=sorted({item["classes"][0] for item in shown if item["done"]}),
            numbers=[key for key in (*NUMBERS, NCC) if any(item["row"].get(key) for item in shown)],
        )
        with write_atomically(self.results.folder / INDEX) as temporary:
            temporary.write_text(content, encoding="utf-8")


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


def _list_warnings(row: Mapping[str, str]) -> list[str]:
    return [sentence for sentence in row["warning"].split("; ") if sentence]


def _find_thumbnail(path: Path, state: str | None = None) -> str:
    """Return the thumbnail of a page that was made in the same state, or in any; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        head = file.read(HEAD).decode("utf-8", "replace")
    if state is not None and f'<meta name="state" content="{state}">' not in head:
        return ""
    return head.partition('<link rel="icon" href="')[2].partition('"')[0]
