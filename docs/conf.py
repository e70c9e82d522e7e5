"""Settings of Sphinx. Build the pages with: bash scripts/docs.sh."""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx_gallery.sorting import ExplicitOrder, FileNameSortKey

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the package of this checkout, whatever is installed

project = "ICAM for MONAI"
author = "The contributors of this bundle"
html_show_copyright = False
release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples", "**/GALLERY_HEADER.rst"]
html_theme = "furo"
html_title = f"{project} {release}"
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}

html_math_renderer = "mathml"  # by docutils: browsers draw it, and nothing is fetched

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = [
    "config.cache",
    "myst.header",
]  # sorting classes cannot be cached; the zoo prescribes the headings of its card

autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes of named tuples are fields already

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "within_subsection_order": FileNameSortKey,
    "subsection_order": ExplicitOrder(["*"]),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "min_reported_time": 1,
    "run_stale_examples": False,
    "doc_module": (),
}


def mark_names(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text with `names`: these become literals, and |maps| and * stay what they are."""
    for index, line in enumerate(lines):
        parts = re.split(r"`+([^`]+)`+", line)
        text = [re.sub(r"([|*])", r"\\\1", part) for part in parts[::2]]
        names = [f"``{part}``" for part in parts[1::2]] + [""]
        lines[index] = "".join(a + b for a, b in zip(text, names, strict=True))


def draw_equation(translator: Any, node: nodes.Element) -> None:
    """Write an equation as MathML."""
    translator.body.append(tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Draw equations, and read docstrings before napoleon does."""
    app.add_html_math_renderer("mathml", (draw_equation, None), (draw_equation, None))
    app.connect("autodoc-process-docstring", mark_names, priority=400)
