"""Templates of pages, which share the head of the report and its style."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HEAD = Path(__file__).parent / "report" / "head.html"


def make_environment(folder: str | Path) -> Environment:
    """Return what fills the templates of a folder: texts are escaped, and a name that is missing is an error.

    Args:
        folder: of the templates, which may include `head.html`.
    """
    return Environment(loader=FileSystemLoader([folder, HEAD.parent]), autoescape=True, undefined=StrictUndefined)
