"""Pages of the test scans of an evaluation: one of all, and one for each scan and class that it is translated to."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from bundle.attribution.typicality import doubt_scan
from bundle.evaluation import Split
from bundle.evaluation.cautions import doubt_classes
from bundle.evaluation.encodings import Encodings
from bundle.evaluation.ground_truth import TrainingClasses
from bundle.evaluation.ground_truth.truths import Truth, find_truths
from bundle.evaluation.known_scans import Scan
from bundle.evaluation.names import PAIRED
from bundle.evaluation.reporting.results import INDEX, PAGES
from bundle.inference.overview import COLOUR_LIMIT, SPREAD_SHARE, check_limit
from bundle.inference.postprocessing import NCC
from bundle.inference.results import Results, Row, make_volume
from bundle.viewer.contents import Limits
from bundle.viewer.layers import TRUTH, Layer, make_layers, make_truth
from bundle.viewer.shown_scan import ShownScan
from bundle.viewer.writer import Entry, Writer

MAP, TRANSLATED, EXEMPLAR = "sampled_reconstruction", "sampled_input", "exemplar_reconstruction"  # of the maps that are scored
EXEMPLAR_TRUTH = "truth_exemplar"
NO_MAP = "no map: there is no reference scan of another class"
LONGEST = 60  # characters of a scan in the name of its page
WRONG = "its class is predicted wrongly"

Place = tuple[int, int]  # position in the test split, and class that the scan is translated to


class EvaluationPages:
    """Write `index.html`, with a row a test scan, and below `pages` a page for each, with a viewer of maps and truth.

    Maps and scans lie on the network's grid; the first map of a page is the mean one, over the draws.

    Args:
        folder: of the evaluation.
        split: the test split.
        training: the training split, for the expected change.
        cautions: sentences on the network that stand above all results.
        colour_limit: network intensity at which the colours of maps end.
        typicality_level: p-value up to which a scan carries a warning.

    Raises:
        ValueError: When `colour_limit` is no positive number.
    """

    def __init__(
        self,
        folder: str | Path,
        split: Split,
        training: TrainingClasses,
        cautions: Sequence[str] = (),
        colour_limit: float = COLOUR_LIMIT,
        typicality_level: float = 0.05,
    ) -> None:
        check_limit(colour_limit)
        self.split, self.training, self.typicality_level = split, training, typicality_level
        self.results, self.cautions = Results(folder, split.class_names), list(cautions)
        self.limits = Limits(float(colour_limit), SPREAD_SHARE * colour_limit)
        self._names: dict[Place, str] = {}

    def describe(self) -> dict[str, Any]:
        """Return what decides the pages, beside what decides the evaluation."""
        level = self.typicality_level
        return {"colour_limit": self.limits.signed, "typicality_level": level, "cautions": self.cautions}

    def begin(self, encodings: Encodings, places: Sequence[Place], run: str, warnings: Sequence[str] = ()) -> None:
        """Begin the pages of an evaluation, and remove the page of all scans of an earlier one.

        Args:
            encodings: of all test scans, with probabilities.
            places: scans that have maps, each with the class that they lead to.
            run: fingerprint of the evaluation, under which the browser keeps ratings.
            warnings: reasons for which the figures may mislead.
        """
        (self.results.folder / INDEX).unlink(missing_ok=True)
        self._encodings = encodings
        cautions = [*self.cautions, *warnings, *doubt_classes(self.split, encodings)]
        self._writer = Writer(self.results, self.limits, cautions, run, f"Test scans: {self.split.cohort}")
        self._titles = self._list_titles()
        several = Counter(index for index, _ in places)
        plain = [re.sub(r"[^\w.-]", "_", title)[:LONGEST] for title in self._titles]
        self._names = {
            (index, target): f"{PAGES}/{index:04d}_{plain[index]}" + f"_to-{target}" * (several[index] > 1)
            for index, target in sorted(places)
        }

    def write_scan(
        self, place: Place, maps: Mapping[str, Tensor], variance: Tensor, scores: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Write the page of a scan.

        Args:
            place: the scan, and the class that its maps lead to.
            maps: its maps by method, each (C, H, W[, D]).
            variance: of the sampled maps, likewise.
            scores: rows of the table `scans` of these maps.

        Returns:
            What the page of all scans shows of it, in the types of JSON.

        Raises:
            OSError: When the page cannot be written.
        """
        scan = self.split.load(place[0])
        truths = self._find_truths(scan, place) if scores else []
        row = self._make_row(place, find_score(scores, find_mean_truth(truths)))
        layers = self._make_layers(scan, row, maps, variance) + make_truth_layers(truths)
        image = _array(to_scanner(scan, scan.image))
        affine = np.eye(4) if scan.affine is None else np.asarray(scan.affine)
        shown = ShownScan(image, affine, layers, np.zeros((*image.shape, 0), dtype=np.float32), [])
        order = list(self._names)
        at = order.index(place)
        near = [order[other] if 0 <= other < len(order) else None for other in (at - 1, at + 1)]
        beside = ["" if other is None else self.results.link(self._make_row(other), row) for other in near]
        entry = self._writer.write_scan(row, shown, self._title(place), beside)
        return {"place": list(place), "entry": entry._asdict(), NCC: row.get(NCC, "")}

    def _make_layers(self, scan: Scan, row: Row, maps: Mapping[str, Tensor], variance: Tensor) -> list[Layer]:
        """Return the maps of a scan, as of an inference."""
        images = {
            "fa_mean": maps[MAP],
            "fa_variance": variance,
            "translated": to_scanner(scan, scan.image + maps[TRANSLATED]),
            "fa_exemplar": maps[EXEMPLAR],
        }
        return make_layers({key: _array(image) for key, image in images.items()}, row, self.results.class_names)

    def _find_truths(self, scan: Scan, place: Place) -> list[Truth]:
        index, target = place
        reference = self.split.load(self.split.references[index][target])
        return find_truths(scan, reference, self.training.describe(target).frequencies)

    def has_page(self, shown: Mapping[str, Any]) -> bool:
        """Return whether the page of a scan that was shown before is still there."""
        index, target = shown["place"]
        return self.results.name_page(self._make_row((index, target))).is_file()

    def finish(self, shown: Sequence[Mapping[str, Any]]) -> None:
        """Write the page of all scans, and remove pages that are not of this evaluation.

        Args:
            shown: what `write_scan` has returned.

        Raises:
            OSError: When the page cannot be written.
        """
        items, titles = [], []
        found = {tuple(each["place"]): each for each in shown}
        bare = [(index, -1) for index in set(range(len(self.split))) - {index for index, _ in found}]
        for place in sorted([*found, *bare]):
            each = found.get(place, {"entry": {"reason": NO_MAP}, NCC: ""})
            items.append(self._writer.show(self._make_row(place, each[NCC]), Entry(**each["entry"])))
            titles.append(self._title(place))
        kept = {self.results.name_page(self._make_row(place)) for place in found}
        for path in (self.results.folder / PAGES).glob("*.html"):
            if path not in kept:
                path.unlink()
        self._writer.write_cohort(items, titles)

    def _make_row(self, place: Place, score: str = "") -> Row:
        """Return a row as of `predictions.csv` of an inference."""
        index, target = place
        source, probabilities = self.split.rows[index], self._encodings.probabilities[index]
        predicted, doubt = int(probabilities.argmax()), self._doubt(index)
        return {
            "scan": str(source["image"]),
            "name": self._names.get(place, self._titles[index]),
            "status": "done",
            "reason": "",
            "warning": "; ".join([WRONG] * (int(source["label"]) != predicted) + [doubt] * bool(doubt)),
            "label": str(int(source["label"])),
            "predicted_class": str(predicted),
            "target_class": "" if target < 0 else str(target),
            **{f"probability_{label}": repr(value) for label, value in enumerate(probabilities.tolist())},
            **({"typicality": repr(float(self._encodings.typicality[index]))} if self._knows_cohort else {}),
            NCC: score,
        }

    @property
    def _knows_cohort(self) -> bool:
        """Whether the typicality of scans is known."""
        return len(self._encodings.typicality) > 0

    def _doubt(self, index: int) -> str:
        """Return a sentence on a scan that is not typical; empty for others, and where it is not known."""
        if not self._knows_cohort:
            return ""
        parts = self._encodings.typicality, self._encodings.untypical_part
        return doubt_scan(float(parts[0][index]), int(parts[1][index]), self.typicality_level)

    def _title(self, place: Place) -> str:
        return self._titles[place[0]]

    def _list_titles(self) -> list[str]:
        """Return what pages call scans: participant and session, and `scan` of the tables where these are not enough."""
        titles = [" ".join(str(row[key]) for key in ("participant_id", "session_id") if key in row) for row in self.split.rows]
        counts = Counter(titles)
        return [title if counts[title] == 1 else f"{title} {index}" for index, title in enumerate(titles)]


def find_mean_truth(truths: Sequence[Truth]) -> Truth | None:
    """Return what a mean map should show: the expected change, else the mask or change that all maps share; None without."""
    found = [truth for truth in truths if truth.kind in ("sampled", "both")]
    return next((truth for truth in found if truth.protocol == PAIRED), found[0] if found else None)


def find_score(scores: Sequence[Mapping[str, Any]], truth: Truth | None) -> str:
    """Return the NCC of the mean map with its truth, from rows of the table `scans`; empty where it is not known."""
    if truth is None:
        return ""
    of = [row for row in scores if (row["method"], row["protocol"], row["truth"]) == (MAP, truth.protocol, truth.name)]
    return repr(float(of[0]["ncc_image"])) if of and np.isfinite(of[0]["ncc_image"]) else ""


def to_scanner(scan: Scan, image: Tensor) -> Tensor:
    """Return intensities of the network, [-1, 1], in those of the scan, from 0 on; of 0 to 2 where its unit is not known."""
    return (image + 1) / (scan.unit or 1.0)


def make_truth_layers(truths: Sequence[Truth]) -> list[Layer]:
    """Return what a mean map should show, and what that of the reference scan should where it is another image."""
    mean, exemplar = find_mean_truth(truths), next((truth for truth in truths if truth.kind == "exemplar"), None)
    return [_name_truth(truth, key) for truth, key in ((mean, TRUTH), (exemplar, EXEMPLAR_TRUTH)) if truth is not None]


def _name_truth(truth: Truth, key: str) -> Layer:
    """Return a truth as a layer that has its name."""
    layer = make_truth(_array(truth.image))
    text = layer.text if layer.kind == "mask" else layer.text.replace("What disease adds to this scan", truth.name.capitalize())
    return layer._replace(key=key, title=f"Truth: {truth.name}", text=text)


def _array(image: Tensor) -> np.ndarray:
    """Return an image (1, H, W[, D]) as a volume (H, W, D)."""
    return make_volume(image[0].float().numpy())
