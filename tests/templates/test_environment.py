"""Templates of pages: texts are escaped, missing names are errors, and every folder has the shared parts."""

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from bundle.templates import SHARED, make_environment


def test_texts_are_escaped_and_a_missing_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>{{ text }}</p>")
    template = make_environment(tmp_path).get_template("page.html")
    assert template.render(text="a < b") == "<p>a &lt; b</p>"
    with pytest.raises(UndefinedError):
        template.render()


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.name)
def test_a_template_of_any_folder_finds_what_is_shared(path: Path, tmp_path: Path) -> None:
    environment = make_environment(tmp_path)
    assert environment.loader is not None
    source, _, _ = environment.loader.get_source(environment, path.name)
    assert source == path.read_text(encoding="utf-8")


def test_the_head_allows_no_request(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('{% include "head.html" %}')
    head = make_environment(tmp_path).get_template("page.html").render()
    assert "default-src 'none'" in head and "width=device-width" in head and ".sortable" in head
    assert "http:" not in head and "https:" not in head


def test_a_part_escapes_what_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('{% from "parts.html" import table -%}{{ table(content, "a < b") }}')
    content = {"columns": ["<b>"], "rows": [("x & y", "exact change", ["1 [0, 2]"])]}
    text = make_environment(tmp_path).get_template("page.html").render(content=content)
    assert "<b>" not in text and "a &lt; b" in text and "x &amp; y" in text
    assert '<tr class="exact">' in text and '<table class="sortable">' in text
