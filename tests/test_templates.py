"""Templates of pages: texts are escaped, missing names are errors, and every folder has the report's head."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from bundle.templates import HEAD, make_environment


def test_texts_are_escaped_and_a_missing_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>{{ text }}</p>")
    template = make_environment(tmp_path).get_template("page.html")
    assert template.render(text="a < b") == "<p>a &lt; b</p>"
    with pytest.raises(UndefinedError):
        template.render()


def test_a_template_of_any_folder_finds_the_head_of_the_report(tmp_path: Path) -> None:
    source, _, _ = make_environment(tmp_path).loader.get_source(make_environment(tmp_path), "head.html")
    assert source == HEAD.read_text(encoding="utf-8")
