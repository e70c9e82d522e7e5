"""A page for a cohort, and a page for each scan, of what inference has written."""

import json
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bundle.errors import write_in_line
from bundle.files import write_atomically
from bundle.inference.predictions import RECORD
from bundle.inference.results import Results, Row
from bundle.ranks import is_first, run_once, share_work
from bundle.records import compute_fingerprint, hash_contents
from bundle.viewer.colours import SHARE, count_magnitudes, find_limit, list_colours
from bundle.viewer.layers import SPREAD, Layer
from bundle.viewer.planes import draw_thumbnail, find_axes, find_plane, find_strongest
from bundle.viewer.shown_scan import ShownScan, read_scan
from bundle.viewer.volumes import PackedVolume, pack_bytes, pack_map, pack_scan

FOLDER = Path(__file__).parent
SCRIPT = FOLDER / "niivue" / "niivue.umd.js"
INDEX = "index.html"
THRESHOLD = 0.1  # share of the colour scale below which a map is not drawn at first
BRIGHT = 99.5  # percentile of the foreground that is white
HEAD = 16_384  # bytes of a page that hold its state and its thumbnail

logger = logging.getLogger(__name__)


class Limits(NamedTuple):
    """Magnitudes at which the colours end, the same for all scans of a run; network intensity.

    Attributes:
        signed: of maps.
        spread: of standard deviations.
    """

    signed: float
    spread: float


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
        colour_limit: network intensity at which the colours of maps end; None for the 99.9 % quantile of the run's magnitudes.
        target_value: age in years that scans were translated to; None for none.

    Raises:
        ValueError: When `colour_limit` is no positive number.
    """

    def __init__(
        self,
        output_dir: str | Path,
        class_names: Sequence[str] = (),
        colour_limit: float | None = None,
        target_value: float | None = None,
    ) -> None:
        number = isinstance(colour_limit, int | float) and not isinstance(colour_limit, bool)
        if colour_limit is not None and not (number and 0 < colour_limit < float("inf")):
            raise ValueError(f"colour_limit must be a positive number or null, got {colour_limit!r}")
        self.results, self.colour_limit = Results(output_dir, class_names, target_value), colour_limit

    def write(self) -> Path | None:
        """Write the pages of all scans in the table of the folder.

        Returns:
            The page of the cohort; None when there is no table, or no scan in it.

        Raises:
            OSError: When a page cannot be written.
        """
        rows: list[Row] = run_once(self.results.read_rows)
        if not rows:
            return None
        done = [row for row in rows if row["status"] == "done"]
        limits = self._find_limits(done)
        entries = share_work(range(len(done)), lambda place: self._write_scan(done, place, limits), "pages")
        if is_first():
            self._write_cohort(rows, {row["name"]: entry for row, entry in zip(done, entries, strict=True)}, limits)
        return self.results.folder / INDEX

    @cached_property
    def _environment(self) -> Environment:
        folders = [FOLDER, FOLDER.parent / "report"]  # whose head has the style
        environment = Environment(loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined)
        environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
        environment.globals |= {
            "steps": 1,  # of the report's strips
            "read": lambda name: (FOLDER / name).read_text(encoding="utf-8"),
            "share": SHARE,
            "chosen": self.colour_limit is not None,
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
        return compute_fingerprint([hash_contents(path) for path in (*own, SCRIPT, FOLDER.parent / "report" / "head.html")])

    def _find_limits(self, rows: Sequence[Row]) -> Limits:
        """Return where the colours end."""

        def measure(row: Row) -> list[np.ndarray]:
            try:
                mean, variance = (self.results.read_image(row, key) for key in ("fa_mean", "fa_variance"))
            except ValueError:  # said when its page is written
                return []
            return [count_magnitudes(mean), count_magnitudes(np.sqrt(variance.clip(0)))]

        counts = [count for count in share_work(rows, measure, "colour scale") if count]
        signed, spread = (find_limit(count[place] for count in counts) for place in (0, 1))
        return Limits(float(self.colour_limit or signed), spread)

    def _write_scan(self, rows: Sequence[Row], place: int, limits: Limits) -> Entry:
        """Write the page of a scan, or keep the one that is there."""
        row, results = rows[place], self.results
        path, link = results.name_page(row), results.link(row)
        beside = [results.link(rows[other], row) if 0 <= other < len(rows) else "" for other in (place - 1, place + 1)]
        settings = [self._run, limits, self.colour_limit, results.class_names, results.target_value]
        state = compute_fingerprint(self._version, row, settings, beside)
        if thumbnail := _find_thumbnail(path, state):
            return Entry(thumbnail, link)
        try:
            shown = read_scan(results, row)
        except (OSError, ValueError) as error:
            logger.warning("%s gets no page: %s", row["scan"], error)
            path.unlink(missing_ok=True)
            return Entry(reason=f"no page: {write_in_line(error)}")
        mean = shown.layers[0].values
        thumbnail = draw_thumbnail(shown.scan, mean, shown.affine, limits.signed, THRESHOLD * limits.signed)
        volumes = {"scan": pack_scan(shown.scan, shown.affine)}
        volumes |= {layer.key: _pack(layer, shown.affine, limits) for layer in shown.layers}
        content = self._environment.get_template("scan.html").render(
            row=row,
            state=state,
            thumbnail=thumbnail,
            classes=results.name_classes(row),
            probabilities=results.list_probabilities(row),
            warnings=_list_warnings(row),
            limits=limits,
            home=results.climb(row) + INDEX,
            previous=beside[0],
            following=beside[1],
            volumes={key: volume.text for key, volume in volumes.items()},
            data=_describe_scan(row, shown, volumes, limits),
            niivue=self._script,
        )
        with write_atomically(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
        return Entry(thumbnail, link)

    def _write_cohort(self, rows: Sequence[Row], entries: Mapping[str, Entry], limits: Limits) -> None:
        """Write the page of the cohort."""
        shown = []
        for row in rows:
            done = row["status"] == "done"
            shown.append(
                {
                    "row": row,
                    "done": done,
                    "entry": entries[row["name"]] if done else Entry(),
                    "classes": self.results.name_classes(row) if done else ("", ""),
                    "probability": float(row[f"probability_{row['predicted_class']}"]) if done else 0.0,
                    "warnings": _list_warnings(row),
                    "key": name_rating(row),
                }
            )
        content = self._environment.get_template("cohort.html").render(
            shown=shown,
            names=sorted({self.results.name_classes(row)[0] for row in rows if row["status"] == "done"}),
            numbers=[key for key in ("typicality", "predicted_age", "translated_age") if key in rows[0]],
            limits=limits,
        )
        with write_atomically(self.results.folder / INDEX) as temporary:
            temporary.write_text(content, encoding="utf-8")


def name_rating(row: Mapping[str, str]) -> str:
    """Return under which name the browser keeps the rating of a scan of a run."""
    return json.dumps([row["scan"], row["name"]], ensure_ascii=False)


def _describe_scan(row: Row, shown: ShownScan, volumes: Mapping[str, PackedVolume], limits: Limits) -> dict[str, Any]:
    """Return what the script needs."""
    layers = [
        {
            "key": layer.key,
            "title": layer.title,
            "kind": layer.kind,
            "unit": layer.unit,
            "text": layer.text,
            "step": volumes[layer.key].step,
            "limit": _end(layer, limits),
            "threshold": THRESHOLD if layer.kind == "signed" else 0,
        }
        for layer in shown.layers
    ]
    return {
        "key": name_rating(row),
        "shape": shown.scan.shape,
        "affine": shown.affine[:3].tolist(),
        "axes": find_axes(shown.affine),
        "start": find_strongest(shown.layers[0].values),
        "plane": find_plane(shown.scan.shape, shown.affine),
        "window": _find_window(shown.scan),
        "scanStep": volumes["scan"].step,
        "layers": layers,
        "colours": list_colours(),
    }


def _pack(layer: Layer, affine: np.ndarray, limits: Limits) -> PackedVolume:
    return pack_scan(layer.values, affine) if layer.kind == "grey" else pack_map(layer.values, affine, _end(layer, limits))


def _end(layer: Layer, limits: Limits) -> float:
    """Return where the colours of a layer end."""
    return limits.spread if layer.key == SPREAD else limits.signed


def _find_window(scan: np.ndarray) -> list[float]:
    """Return the intensities that are black and white."""
    low = min(float(scan.min()), 0.0)
    return [low, float(np.percentile(scan[scan > low], BRIGHT)) if (scan > low).any() else low + 1.0]


def _list_warnings(row: Mapping[str, str]) -> list[str]:
    return [sentence for sentence in row["warning"].split("; ") if sentence]


def _find_thumbnail(path: Path, state: str) -> str:
    """Return the thumbnail of a page that was made in the same state; empty where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        head = file.read(HEAD).decode("utf-8", "replace")
    if f'<meta name="state" content="{state}">' not in head:
        return ""
    return head.partition('<link rel="icon" href="')[2].partition('"')[0]
