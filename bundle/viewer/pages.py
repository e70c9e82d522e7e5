"""A page for a cohort, and a page for each scan, of what inference has written."""

import csv
import json
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote_from_bytes

import nibabel
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bundle.data.discovery import IMAGES
from bundle.data.formats import describe_failure
from bundle.data.scans import LoadScan
from bundle.errors import write_in_line
from bundle.files import unescape_name, write_atomically
from bundle.inference.explained_scans import PAGE
from bundle.inference.overview import name_class
from bundle.inference.predictions import RECORD, TABLE
from bundle.ranks import is_first, run_once, share_work
from bundle.records import compute_fingerprint, hash_contents
from bundle.viewer.colours import SHARE, count_magnitudes, find_limit, list_colours
from bundle.viewer.layers import SPREAD, Layer, make_layers
from bundle.viewer.planes import draw_thumbnail, find_axes, find_plane, find_strongest
from bundle.viewer.volumes import PackedVolume, pack_bytes, pack_map, pack_scan

FOLDER = Path(__file__).parent
SCRIPT = FOLDER / "niivue" / "niivue.umd.js"
INDEX = "index.html"
THRESHOLD = 0.1  # share of the colour scale below which a map is not drawn at first
BRIGHT = 99.5  # percentile of the foreground that is white

Row = dict[str, str]
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
        if colour_limit is not None and not (isinstance(colour_limit, int | float) and 0 < colour_limit < float("inf")):
            raise ValueError(f"colour_limit must be a positive number or null, got {colour_limit!r}")
        self.output_dir, self.class_names = Path(output_dir), list(class_names)
        self.colour_limit, self.target_value = colour_limit, target_value

    def write(self) -> Path | None:
        """Write the pages of all scans in the table of the folder.

        Returns:
            The page of the cohort; None when there is no table.

        Raises:
            OSError: When a page cannot be written.
        """
        rows: list[Row] = run_once(self._read_rows)
        if not rows:
            return None
        done = [row for row in rows if row["status"] == "done"]
        limits = self._find_limits(done)
        entries = share_work(list(enumerate(done)), lambda item: self._write_scan(*item, done, limits), "pages")
        if is_first():
            self._write_cohort(rows, {id(row): entry for row, entry in zip(done, entries, strict=True)}, limits)
        return self.output_dir / INDEX

    @cached_property
    def _environment(self) -> Environment:
        folders = [FOLDER, FOLDER.parent / "report"]  # whose head has the style
        environment = Environment(loader=FileSystemLoader(folders), autoescape=True, undefined=StrictUndefined)
        environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
        environment.globals |= {"steps": 1, "read": lambda name: (FOLDER / name).read_text(encoding="utf-8")}
        return environment

    @cached_property
    def _script(self) -> str:
        return pack_bytes(SCRIPT.read_bytes())

    @cached_property
    def _run(self) -> str:
        """Fingerprint of the settings of the run, under which the browser keeps ratings."""
        return hash_contents(self.output_dir / RECORD) or ""

    @cached_property
    def _version(self) -> str:
        """Fingerprint of what pages are made of: with another one they are made anew."""
        own = [path for suffix in ("html", "js", "css", "py") for path in sorted(FOLDER.glob(f"*.{suffix}"))]
        return compute_fingerprint([hash_contents(path) for path in (*own, SCRIPT, FOLDER.parent / "report" / "head.html")])

    def _read_rows(self) -> list[Row]:
        path = self.output_dir / TABLE
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def _find_limits(self, rows: Sequence[Row]) -> Limits:
        """Return where the colours end."""

        def measure(row: Row) -> list[np.ndarray]:
            try:
                mean, variance = (self._read_image(row, key) for key in ("fa_mean", "fa_variance"))
            except ValueError:  # said when its page is written
                return []
            return [count_magnitudes(mean), count_magnitudes(np.sqrt(variance.clip(0)))]

        counts = [count for count in share_work(rows, measure, "colour scale") if count]
        signed, spread = (find_limit(count[place] for count in counts) for place in (0, 1))
        return Limits(float(self.colour_limit or signed), spread)

    def _write_scan(self, index: int, row: Row, rows: Sequence[Row], limits: Limits) -> Entry:
        """Write the page of a scan, or keep the one that is there."""
        stem = self._find_stem(row)
        path = stem.with_name(f"{stem.name}_{PAGE}")
        beside = [self._link(rows[place], row) if 0 <= place < len(rows) else "" for place in (index - 1, index + 1)]
        state = compute_fingerprint(self._version, self._run, row, limits, self.class_names, self.target_value, beside)
        link = self._link(row)
        if thumbnail := _find_thumbnail(path, state):
            return Entry(thumbnail, link)
        try:
            scan, affine, layers = self._read_scan(row)
        except (OSError, ValueError) as error:
            logger.warning("%s gets no page: %s", row["scan"], error)
            path.unlink(missing_ok=True)
            return Entry(reason=f"no page: {write_in_line(error)}")
        mean = layers[0].values
        thumbnail = draw_thumbnail(scan, mean, affine, limits.signed, THRESHOLD * limits.signed)
        volumes = {"scan": pack_scan(scan, affine)} | {layer.key: _pack(layer, affine, limits) for layer in layers}
        content = self._environment.get_template("scan.html").render(
            row=row,
            state=state,
            thumbnail=thumbnail,
            classes=self._name_classes(row),
            probabilities=self._list_probabilities(row),
            warnings=_list_warnings(row),
            limits=limits,
            chosen=self.colour_limit is not None,
            share=SHARE,
            shape=scan.shape,
            plane=find_plane(scan.shape, affine),
            home=self._climb(row) + INDEX,
            previous=beside[0],
            following=beside[1],
            volumes={key: volume.text for key, volume in volumes.items()},
            layers=layers,
            data={
                "run": self._run,
                "key": find_rating_key(row),
                "shape": scan.shape,
                "affine": affine[:3].tolist(),
                "axes": find_axes(affine),
                "start": find_strongest(mean),
                "plane": find_plane(scan.shape, affine),
                "window": _find_window(scan),
                "scanStep": volumes["scan"].step,
                "layers": [_describe(layer, volumes[layer.key], limits) for layer in layers],
                "colours": list_colours(),
            },
            niivue=self._script,
        )
        with write_atomically(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
        return Entry(thumbnail, link)

    def _write_cohort(self, rows: Sequence[Row], entries: Mapping[int, Entry], limits: Limits) -> None:
        """Write the page of the cohort."""
        shown = [
            {
                "row": row,
                "entry": entries.get(id(row), Entry()),
                "classes": self._name_classes(row) if row["status"] == "done" else ("", ""),
                "probability": row[f"probability_{row['predicted_class']}"] if row["status"] == "done" else "",
                "warnings": _list_warnings(row),
                "key": find_rating_key(row),
            }
            for row in rows
        ]
        names = sorted({self._name_classes(row)[0] for row in rows if row["status"] == "done"})
        ages = [key for key in ("predicted_age", "translated_age") if key in rows[0]]
        content = self._environment.get_template("cohort.html").render(
            shown=shown, names=names, ages=ages, typical="typicality" in rows[0], limits=limits, run=self._run, share=SHARE,
            chosen=self.colour_limit is not None,
        )  # fmt: skip
        with write_atomically(self.output_dir / INDEX) as temporary:
            temporary.write_text(content, encoding="utf-8")

    def _read_scan(self, row: Row) -> tuple[np.ndarray, np.ndarray, list[Layer]]:
        """Return the scan, shape (H, W, D), its affine, and what can be laid over it."""
        stem = self._find_stem(row)
        images = {key: self._read_image(row, key) for key in IMAGES if Path(f"{stem}_{key}.nii.gz").is_file()}
        scan = LoadScan(constant=True, max_voxels=np.inf)(unescape_name(row["scan"]))
        array = _make_volume(scan.as_tensor()[0].numpy())
        if different := [key for key, image in images.items() if image.shape != array.shape]:
            shape = images[different[0]].shape
            raise ValueError(f"{row['scan']} has the shape {array.shape}, and its {different[0]} {shape}: run inference again")
        return array, scan.affine.numpy(), make_layers(images, row, self.class_names, self.target_value)

    def _read_image(self, row: Row, key: str) -> np.ndarray:
        path = Path(f"{self._find_stem(row)}_{key}.nii.gz")
        try:
            image: Any = nibabel.load(path)  # type: ignore[attr-defined]
            return _make_volume(np.asarray(image.dataobj, dtype=np.float32))
        except Exception as error:  # nibabel, gzip and zlib each raise their own
            raise ValueError(describe_failure(path, error)) from error

    def _find_stem(self, row: Row) -> Path:
        """Return the path of the files of a scan without their endings."""
        ending = "_fa_mean.nii.gz"
        return Path(unescape_name(f"{self.output_dir.absolute() / row['name']}{ending}").removesuffix(ending))

    def _link(self, row: Row, start: Row | None = None) -> str:
        """Return the address of a scan's page, seen from the page of the cohort or of another scan."""
        path = self._find_stem(row).relative_to(self.output_dir.absolute())
        return (self._climb(start) if start else "") + quote_from_bytes(bytes(path)) + f"_{PAGE}"

    def _climb(self, row: Row) -> str:
        return "../" * (len(self._find_stem(row).relative_to(self.output_dir.absolute()).parts) - 1)

    def _name_classes(self, row: Row) -> tuple[str, str]:
        predicted, target = (name_class(int(row[key]), self.class_names) for key in ("predicted_class", "target_class"))
        return predicted, target

    def _list_probabilities(self, row: Row) -> list[tuple[str, float]]:
        labels = range(sum(key.startswith("probability_") for key in row))
        return [(name_class(label, self.class_names), float(row[f"probability_{label}"])) for label in labels]


def find_rating_key(row: Mapping[str, str]) -> str:
    """Return under which key the browser keeps the rating of a scan of a run."""
    return json.dumps([row["scan"], row["name"]], ensure_ascii=False)


def _make_volume(array: np.ndarray) -> np.ndarray:
    """Return a slice of shape (H, W) as a volume (H, W, 1); others lose axes of one voxel after the third."""
    return array.reshape(*array.shape[:3], *[1] * (3 - array.ndim))


def _pack(layer: Layer, affine: np.ndarray, limits: Limits) -> PackedVolume:
    return pack_scan(layer.values, affine) if layer.kind == "grey" else pack_map(layer.values, affine, _end(layer, limits))


def _end(layer: Layer, limits: Limits) -> float:
    return limits.spread if layer.key == SPREAD else limits.signed


def _describe(layer: Layer, volume: PackedVolume, limits: Limits) -> dict[str, Any]:
    """Return what the script needs of a layer."""
    described = {"key": layer.key, "title": layer.title, "kind": layer.kind, "unit": layer.unit, "text": layer.text}
    return described | {
        "step": volume.step,
        "limit": _end(layer, limits),
        "threshold": THRESHOLD if layer.kind == "signed" else 0,
    }


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
        head = file.read(16_384).decode("utf-8", "replace")
    if f'<meta name="state" content="{state}">' not in head:
        return ""
    return head.partition('<link rel="icon" href="')[2].partition('"')[0]
