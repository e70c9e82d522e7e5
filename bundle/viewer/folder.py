"""What the folder of an inference or evaluation holds beside maps."""

import csv
from pathlib import Path

from bundle.files import escape_name, quote_path
from bundle.inference.predictions import LOGS, TABLE
from bundle.inference.regions import PICTURE
from bundle.inference.regions import TABLE as REGIONS

PREPARED = "prepared/prepared.tsv"  # of raw scans that were prepared on the way
QUALITY = "template_correlation"
FILES = {  # and what they are
    TABLE: "classes, probabilities and warnings",
    "metrics.csv": "figures with intervals",
    "scans.csv": "figures of each map",
    REGIONS: "change by region",
    PICTURE: "change by region, as bars",
    f"{LOGS}/CITATION.md": "what was done, and what to cite",
    "prepared/overview.html": "preparation",
    "phenotypes.html": "phenotypes",
}


def list_links(folder: Path) -> list[tuple[str, str, str]]:
    """Return address, name and meaning of the files beside the page of the cohort, and of group and phenotypes results below."""
    found = [(folder / name, text) for name, text in FILES.items() if (folder / name).is_file()]
    found += [(path.with_name("index.html"), "group result") for path in sorted(folder.glob("*/methods.txt"))]
    found += [(path, "phenotypes") for path in sorted(folder.glob("*/phenotypes.html"))]
    return [(link(path, folder), escape_name(str(path.relative_to(folder))), text) for path, text in found if path.is_file()]


def link(path: Path, start: Path) -> str:
    """Return the address of a file as seen from a folder above it."""
    return "./" + quote_path(path, start)


def read_quality(folder: Path) -> dict[str, str]:
    """Return the correlation of each prepared scan with MNI152, by the path of the raw scan; nothing where none was prepared."""
    path = folder / PREPARED
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {row["raw_image"]: row[QUALITY] for row in rows if row.get("raw_image") and row.get(QUALITY) not in (None, "", "n/a")}
