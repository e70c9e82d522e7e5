"""Tables that sort, in a browser."""

import re
from pathlib import Path

import pytest
from browser import browse, needs_chromium

from bundle.templates import make_environment

CELLS = {
    "mixed": ["0.50 [0.4, 0.6]", "", "-0.10 [-0.2, 0.0]", "1e-05", "word 10", "word 9", "n/a"],
    "numbers": ["10", "9", "\u22122", "0.5", "", "+1", "3 %"],
}
ORDER = {  # rows by a rising and by a falling order
    "mixed": ("2 3 0 5 4 1 6", "4 5 0 3 2 1 6"),
    "numbers": ("2 3 5 6 1 0 4", "0 1 6 5 3 2 4"),
}
SORT = """<script>
  const buttons = [...document.querySelectorAll("table.sortable thead button")], done = document.body.dataset;
  const read = () => [...document.querySelectorAll("tbody th")].map((cell) => cell.textContent).join(" ");
  done.count = buttons.length;
  const button = buttons.find((each) => each.textContent === "NAME");
  button.focus(); done.focus = document.activeElement === button;
  button.click(); done.rising = read(); done.first = button.parentElement.ariaSort;
  button.click(); done.falling = read(); done.second = button.parentElement.ariaSort;
</script></body>"""


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("name", CELLS)
def test_a_heading_sorts_numbers_before_words_and_nothing_last(name: str, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        '{% from "parts.html" import table -%}<!doctype html><head><link rel="icon" href="data:,">{% include "head.html" %}'
        '</head><body>{{ table(content, "Cells") }}<script>{% include "tables.js" %}</script></body>'
    )
    rows = [(str(place), "", list(cells)) for place, cells in enumerate(zip(*CELLS.values(), strict=True))]
    page = tmp_path / "out.html"
    text = make_environment(tmp_path).get_template("page.html").render(content={"columns": list(CELLS), "rows": rows})
    page.write_text(text.replace("</body>", SORT.replace("NAME", name)))
    found = dict(re.findall(r'data-(\w+)="([^"]*)"', browse(tmp_path, page.as_uri(), "--dump-dom").partition("<body")[2]))
    assert (found["rising"], found["falling"]) == ORDER[name]
    assert (found["first"], found["second"]) == ("ascending", "descending")
    assert found["count"] == "3" and found["focus"] == "true"
