"""Files of the page of a cohort and of the pages of its scans, from their templates."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment

from bundle.atlases import LEAST
from bundle.files import escape_name, write_atomically
from bundle.inference.overview import TYPICALITY
from bundle.inference.postprocessing import NCC, NUMBERS
from bundle.inference.results import Results, Row
from bundle.records import compute_fingerprint, hash_contents
from bundle.templates import SHARED, make_environment
from bundle.viewer.contents import SHARE, Limits, make_contents, name_rating
from bundle.viewer.folder import link, list_links
from bundle.viewer.regions import Labels
from bundle.viewer.shown_scan import ShownScan
from bundle.viewer.volumes import pack_bytes

FOLDER = Path(__file__).parent
SCRIPT = FOLDER / "niivue" / "niivue.umd.js"
COLOURS = FOLDER.parent / "colours.py"
INDEX = "index.html"


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


class Writer:
    """Writes pages that hold all that they show, and open from the disk.

    Args:
        results: folder of the pages, and names of the classes.
        limits: where the colours end.
        cautions: sentences on the network that stand above all results.
        run: fingerprint of what was run, under which the browser keeps ratings.
        heading: of the page of the cohort.
        settings: of the pages, which that of the cohort carries.
    """

    def __init__(
        self,
        results: Results,
        limits: Limits,
        cautions: Sequence[str],
        run: str,
        heading: str = "Explained scans",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.results, self.limits, self.cautions, self.run = results, limits, list(cautions), run
        self.heading, self.settings = heading, settings

    @cached_property
    def version(self) -> str:
        """Fingerprint of what pages are made of: with another one they are made anew."""
        own = [path for suffix in ("html", "js", "css", "py") for path in sorted(FOLDER.glob(f"*.{suffix}"))]
        return compute_fingerprint([hash_contents(path) for path in (*own, *SHARED, COLOURS, SCRIPT)])

    @cached_property
    def _environment(self) -> Environment:
        environment = make_environment(FOLDER)
        environment.policies["json.dumps_kwargs"] = {"sort_keys": False}
        environment.globals |= {
            "read": lambda name: (FOLDER / name).read_text(encoding="utf-8"),
            "limits": self.limits,
            "cautions": self.cautions,
            "settings": "" if self.settings is None else json.dumps(self.settings),
            "typicality": TYPICALITY,
            "run": self.run,
            "heading": self.heading,
        }
        return environment

    @cached_property
    def _script(self) -> str:
        return pack_bytes(SCRIPT.read_bytes())

    def write_scan(
        self,
        row: Row,
        shown: ShownScan,
        title: str,
        beside: Sequence[str] = ("", ""),
        state: str = "",
        regions: Sequence[Any] = (),
        labels: Labels | None = None,
        controls: str = "",
        files: Sequence[Path] = (),
    ) -> Entry:
        """Write the page of a scan.

        Args:
            row: row of the scan.
            shown: the scan with its images.
            title: what the scan is called.
            beside: addresses of the pages before and after it; empty for none.
            state: fingerprint of all that the page is made of.
            regions: rows of its table of regions.
            labels: its regions; None where they are not known.
            controls: a sentence on what z-scores are relative to.
            files: its images, those that are there.

        Returns:
            What the page of the cohort shows of it.

        Raises:
            OSError: When the page cannot be written.
        """
        results, path = self.results, self.results.name_page(row)
        contents = make_contents(row, shown, self.limits, labels)
        page = self._environment.get_template("scan.html").render(
            row=row,
            title=title,
            state=state,
            classes=results.name_classes(row),
            true_class=results.name_true_class(row),
            probabilities=results.list_probabilities(row),
            warnings=list_warnings(row),
            home=results.climb(row) + INDEX,
            previous=beside[0],
            following=beside[1],
            regions=regions,
            places=labels.places if labels else {},
            controls=controls,
            least=LEAST,
            files=[(link(file, path.parent), escape_name(file.name)) for file in files],
            share=SHARE,
            niivue=self._script,
            **contents._asdict(),
        )
        with write_atomically(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
        return Entry(contents.thumbnail, results.link(row))

    def show(self, row: Row, entry: Entry, quality: str = "") -> dict[str, Any]:
        """Return what the page of the cohort shows of a scan.

        Args:
            row: row of the scan.
            entry: its picture and page.
            quality: that of its preparation; empty where it is not known.
        """
        done = row["status"] == "done"
        return {
            "row": row,
            "done": done,
            "entry": entry if done else Entry(),
            "classes": self.results.name_classes(row) if done else ("", ""),
            "true_class": self.results.name_true_class(row),
            "probability": float(row[f"probability_{row['predicted_class']}"]) if done else 0.0,
            "warnings": list_warnings(row),
            "key": name_rating(row),
            "quality": quality,
        }

    def write_cohort(self, shown: Sequence[Mapping[str, Any]], titles: Sequence[str], top: bool = False) -> Path:
        """Write the page of the cohort, or, at the top, that of several cohorts.

        Args:
            shown: what it shows of each scan, from `show`.
            titles: what each scan is called.
            top: whether the page stands above several folders of results.

        Returns:
            Its file.

        Raises:
            OSError: When it cannot be written.
        """
        counts = Counter(sentence for item in shown for sentence in item["warnings"])
        content = self._environment.get_template("cohort.html").render(
            shown=shown,
            titles=titles,
            top=top,
            links=list_links(self.results.folder),
            common=[sentence for sentence, count in counts.items() if count > 1],
            counts=counts,
            quality=any(item["quality"] for item in shown),
            truth=any(item["true_class"] for item in shown),
            names=sorted({item["classes"][0] for item in shown if item["done"]}),
            numbers=[key for key in (*NUMBERS, NCC) if any(item["row"].get(key) for item in shown)],
        )
        path = self.results.folder / INDEX
        with write_atomically(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
        return path


def list_warnings(row: Mapping[str, str]) -> list[str]:
    """Return the warnings of a scan."""
    return [sentence for sentence in row["warning"].split("; ") if sentence]
