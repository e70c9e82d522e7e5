"""Templates of pages."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).parent
SHARED = tuple(FOLDER / name for name in ("head.html", "style.css", "parts.html", "tables.js"))  # that every template may include


def make_environment(folder: str | Path) -> Environment:
    """Return what fills the templates of a folder: texts are escaped, and a name that is missing is an error.

    Args:
        folder: of the templates, which may include those of `SHARED`.
    """
    return Environment(loader=FileSystemLoader([folder, FOLDER]), autoescape=True, undefined=StrictUndefined)
