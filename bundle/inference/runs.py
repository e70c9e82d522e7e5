"""A run of inference: scans are explained, pages written, and the end says what was written."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bundle.files import announce, check_writable, hold_folder
from bundle.inference.evaluator import ScanEvaluator
from bundle.inference.predictions import LOCK, Predictions
from bundle.ranks import is_first, wait_for_ranks


class PageWriter(Protocol):
    """Writes pages of what an inference has left behind."""

    def write(self) -> Any:
        """Write them."""


class RegionWriter(Protocol):
    """Writes what an inference says of brain regions."""

    def write(self, items: Sequence[Mapping[str, Any]]) -> Any:
        """Write it, of the scans of `find_scans`."""


def explain_scans(
    evaluator: ScanEvaluator,
    predictions: Predictions,
    written: Mapping[str, str],
    pages: PageWriter | None = None,
    regions: RegionWriter | None = None,
) -> None:
    """Explain all scans while no other process writes to their folder.

    Args:
        evaluator: engine that explains them.
        predictions: writes what it gives.
        written: what each file is, by its name or pattern, for the end.
        pages: writes the pages when all scans are explained; None for none.
        regions: writes the table of regions before; None for none.

    Raises:
        OSError: When nothing can be written to the folder.
        SystemExit: When a scan failed; the others are done.
        ValueError: When another process writes there, or it holds results of other settings.
    """
    folder = predictions.output_dir
    check_writable(folder)
    with hold_folder(folder, folder / LOCK, "output_dir"):
        evaluator.run()
        wait_for_ranks()  # the table is whole
        if regions is not None:
            dataset: Any = evaluator.data_loader.dataset  # type: ignore[attr-defined]
            regions.write(dataset.data)
        if pages is not None:
            wait_for_ranks()  # the table of regions is there
            pages.write()
    if is_first():
        announce(folder, written)
        predictions.finish()
