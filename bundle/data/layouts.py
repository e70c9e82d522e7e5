"""How results are laid out: plainly, or as a derivative of the BIDS dataset of the scans."""

from pathlib import Path

from bundle.data.bids import Derivative, find_derivative, find_root, is_described
from bundle.data.discovery import find_source
from bundle.data.manifest import NAMES
from bundle.data.tables import find_name, read_header
from bundle.files import find_table

LAYOUTS = ("auto", "plain", "bids")
PREPARED = "prepared.tsv"  # table of a cohort that configs/prepare.yaml made


def choose_layout(layout: str, dataset_dir: str | Path, output_dir: str | Path) -> Derivative | None:
    """Choose how results are laid out: as a derivative of the BIDS dataset of the scans, or plainly.

    Args:
        layout: `bids`, `plain`, or `auto`: `bids` for a dataset that says that it is BIDS, and a participant or session of it,
            unless a table lists its scans.
        dataset_dir: folder, table or scan, as in `bundle.inference.find_scans`.
        output_dir: folder of the results.

    Returns:
        The derivative; None for the plain layout.

    Raises:
        FileNotFoundError: When there is no such folder, table or file.
        ValueError: When there is no such layout, the scans are in no BIDS dataset and `bids` is wanted, or the output folder is
            the dataset of the scans or another one.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    if layout == "plain":
        return None
    source = find_source(dataset_dir)
    root = find_root(source)
    if layout == "auto" and not (source.is_dir() and is_described(root) and not _lists_scans(source)):
        return None
    if not source.is_dir() or not any(root.glob("sub-*")):
        raise ValueError(f"layout bids needs a BIDS dataset, or a participant or session of one, as dataset_dir, got {source}")
    return find_derivative(source, output_dir)


def _lists_scans(folder: Path) -> bool:
    """Check whether a folder has a table that lists its scans."""
    table = find_table(folder)
    return (folder / PREPARED).is_file() or (table.is_file() and find_name(read_header(table), NAMES["image"]) is not None)
