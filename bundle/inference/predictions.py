"""The files that inference leaves behind."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ignite.engine import Engine, Events
from monai.data import MetaTensor
from monai.utils.enums import CommonKeys as Keys

from bundle.data.discovery import IMAGES
from bundle.data.headers import unpack_fields
from bundle.files import check_writable, write_atomically, write_nifti
from bundle.inference.datasets import FAILURE
from bundle.inference.overview import save_overview
from bundle.inference.postprocessing import AGES

FILES = {Keys.PRED: "fa_mean"} | {key: key for key in IMAGES if key != "fa_mean"}

logger = logging.getLogger(__name__)


class Predictions:
    """Write maps, overview and table row of each scan as soon as it is explained.

    For a scan called NAME, `NAME_KEY.nii.gz` for each of the keys `IMAGES` that the inferer gives, and `NAME_overview.png`; for
    all scans `predictions.csv`. Maps are in the network's intensity units, in which the range of a scan is 2, and the variance in
    their square; the translated scan is in the intensities of the scan.

    Args:
        output_dir: folder to write to.
        num_classes: number of classes, K.
        overviews: whether a picture of each scan is drawn.
    """

    def __init__(self, output_dir: str | Path, num_classes: int, overviews: bool = True) -> None:
        self.output_dir, self.num_classes, self.overviews = Path(output_dir), num_classes, overviews
        self.rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Register with a `ScanEvaluator`."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Write what the last batch gave."""
        items: Any = engine.state.output
        self.rows += [self._keep(item) for item in items]
        with write_atomically(self.output_dir / "predictions.csv") as path:
            self.table().to_csv(path, index=False)

    def table(self) -> pd.DataFrame:
        """Return the table of the scans so far.

        Returns:
            One row a scan: scan, name, status (done or failed), reason, predicted_class, probability_0, ..., target_class, and
            of networks with regression predicted_age, with a target value translated_age, in years.
        """
        probabilities = [f"probability_{label}" for label in range(self.num_classes)]
        columns = ["scan", "name", "status", "reason", "predicted_class", *probabilities, "target_class"]
        columns += [name for name in AGES if any(name in row for row in self.rows)]
        table = pd.DataFrame(self.rows, columns=columns)
        return table.astype({"predicted_class": "Int64", "target_class": "Int64"})

    def finish(self) -> None:
        """End the program with status 1 and one sentence when scans failed.

        Raises:
            SystemExit: When a scan failed; MONAI does not wrap it in messages of its own.
        """
        failed = [row for row in self.rows if row["status"] == "failed"]
        if failed:
            raise SystemExit(
                f"{len(failed)} of {len(self.rows)} scans failed, the others are done (see"
                f" {self.output_dir / 'predictions.csv'}); the first: {failed[0]['reason']}"
            )

    def _start(self) -> None:
        check_writable(self.output_dir)
        self.rows = []

    def _keep(self, item: dict[str, Any]) -> dict[str, Any]:
        """Write the files of one scan and return its row."""
        row = {"scan": item["scan"], "name": item["name"], "status": "done"}
        if FAILURE not in item:
            try:
                write_explanation(item, self.output_dir, self.overviews)
            except OSError as error:  # a full disk, a folder without permission
                item = {**item, FAILURE: f"{item['name']} could not be written: {error}"}
        if FAILURE in item:
            logger.warning("%s is left out: %s", item["scan"], item[FAILURE])
            return row | {"status": "failed", "reason": item[FAILURE]}
        result = item["result"]
        probabilities = {f"probability_{label}": value for label, value in enumerate(result["probabilities"])}
        return row | {key: result[key] for key in ("predicted_class", "target_class", *AGES) if key in result} | probabilities


def take_array(image: MetaTensor) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return an image (1, H, W[, D]) as an array (H, W[, D]), single precision, with affine and header fields of its scan."""
    return image.as_tensor()[0].float().numpy(), image.affine.numpy(), unpack_fields(image.meta)


def write_explanation(item: dict[str, Any], output_dir: str | Path, overview: bool = True) -> list[Path]:
    """Write the maps of one scan, and its picture: all of them or none.

    Args:
        item: scan after the postprocessing.
        output_dir: folder to write to; made when absent.
        overview: whether the picture is drawn.

    Returns:
        Paths of the files.

    Raises:
        OSError: When a file cannot be written.
    """
    stem = str(Path(output_dir) / item["name"])
    written: list[Path] = []
    try:
        for key, ending in FILES.items():
            if key in item:
                written.append(Path(f"{stem}_{ending}.nii.gz"))
                write_nifti(written[-1], *take_array(item[key]))
        if overview:
            written.append(Path(f"{stem}_overview.png"))
            save_overview(item[Keys.IMAGE], item["explanation"], item["result"], written[-1])
    except OSError:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written
