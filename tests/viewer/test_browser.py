"""The pages of an inference in a browser: they open from the disk, ask for nothing, and show the values of the maps."""

import json
import re
from pathlib import Path
from urllib.parse import urljoin

import nibabel
import numpy as np
import pytest
from browser import browse, measure, measure_width, needs_chromium
from PIL import Image
from tiny_results import AFFINES, SLICE, VOLUME, make_row, write_draws_and_walk, write_results, write_scan

from bundle.viewer import Pages

pytestmark = [pytest.mark.slow, needs_chromium]


def read_cells(document: str) -> dict[str, float]:
    return {key: float(value) for key, value in re.findall(r'data-key="(\w+)" data-step="[^"]*" data-value="([^"]*)"', document)}


@pytest.mark.parametrize(("axes", "shape"), [*((axes, VOLUME) for axes in AFFINES), ("LPS", SLICE)])
def test_the_values_at_the_cross_are_those_of_the_maps(axes: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    row = write_scan(tmp_path, "scan", shape, axes)
    output = write_results(tmp_path, [row])
    Pages(output).write()
    mean = nibabel.load(output / "scan_fa_mean.nii.gz").get_fdata().reshape(nibabel.load(row["scan"]).shape)
    places = np.argwhere(mean != 0)
    for voxel in places[[len(places) // 3, -1]]:
        address = f"{(output / 'scan_page.html').as_uri()}#voxel={','.join(map(str, voxel))}"
        document = browse(tmp_path, address, "--dump-dom")
        assert 'data-ready="viewer"' in document
        cells = read_cells(document)
        assert f"Cross: voxel ({', '.join(map(str, voxel))})" in document
        assert cells["fa_mean"] == pytest.approx(mean[tuple(voxel)], abs=0.0011)
        assert cells["fa_std"] == pytest.approx(0.1 * abs(mean[tuple(voxel)]), abs=0.0011)
        assert cells["scan"] == pytest.approx(nibabel.load(row["scan"]).get_fdata()[tuple(voxel)], abs=2)


CLICK = """<script>setTimeout(() => {
  const canvas = document.querySelector("#screen canvas"), box = canvas.getBoundingClientRect();
  const place = {clientX: box.left + %s * box.width, clientY: box.top + %s * box.height, button: 0, buttons: 1, bubbles: true};
  for (const type of ["mousedown", "mouseup"]) canvas.dispatchEvent(new MouseEvent(type, place));
}, 3000);</script></body>"""


@pytest.mark.parametrize("axes", ["LPS", "oblique", "ASR"])
@pytest.mark.parametrize(("shape", "place"), [(SLICE, (0.6, 0.4)), (VOLUME, (0.33, 0.62))])  # of a volume in the axial plane
def test_a_click_shows_the_value_under_the_cross(
    axes: str, shape: tuple[int, ...], place: tuple[float, float], tmp_path: Path
) -> None:
    row = write_scan(tmp_path, "scan", shape, axes)
    output = write_results(tmp_path, [row])
    Pages(output).write()
    page = output / "scan_page.html"
    page.write_text(page.read_text().replace("</body>", CLICK % place))
    document = browse(tmp_path, page.as_uri(), "--dump-dom", "--window-size=1280,1000")
    found = re.search(r"Cross: voxel \((\d+), (\d+), (\d+)\), (-?[\d.]+), (-?[\d.]+)", document)
    assert found is not None
    voxel, (x, y) = tuple(map(int, found.groups()[:3])), map(float, found.groups()[3:])
    data = re.search(r'id="data">(.*?)</script>', page.read_text())
    assert data is not None and list(voxel) != json.loads(data[1])["start"]
    assert x > 0 and y > 0  # right of the middle, and before it
    mean = nibabel.load(output / "scan_fa_mean.nii.gz").get_fdata().reshape(nibabel.load(row["scan"]).shape)
    assert read_cells(document)["fa_mean"] == pytest.approx(mean[voxel], abs=0.0011)
    np.testing.assert_allclose(nibabel.load(row["scan"]).affine[:2] @ [*voxel, 1], [x, y], atol=0.06)


def test_what_a_page_fetches_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<img src="http://scans.example.org/a.png">')
    with pytest.raises(AssertionError):
        browse(tmp_path, page.as_uri(), "--dump-dom")


KEYS = """<script>setTimeout(() => {
  for (const key of ["Home", "ArrowRight", "ArrowRight", "ArrowUp", "PageDown", "2"]) {
    document.querySelector("#screen").dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  }
}, 3000);</script></body>"""


@pytest.mark.parametrize("axes", ["LPS", "ASR"])
def test_keys_move_the_cross_and_choose_the_map(axes: str, tmp_path: Path) -> None:
    output = write_results(tmp_path, [write_scan(tmp_path, "scan", VOLUME, axes)])
    Pages(output).write()
    page = output / "scan_page.html"
    data = re.search(r'id="data">(.*?)</script>', page.read_text())
    assert data is not None
    start = json.loads(data[1])["start"]
    page.write_text(page.read_text().replace("</body>", KEYS))
    document = browse(tmp_path, page.as_uri(), "--dump-dom")
    found = re.search(r"Cross: voxel \((\d+), (\d+), (\d+)\)", document)
    assert found is not None
    affine = nibabel.load(tmp_path / "scans" / "scan.nii.gz").affine
    moved = affine[:3, :3] @ (np.array(found.groups(), dtype=int) - start)
    np.testing.assert_allclose(moved, [4, 2, -2], atol=1e-9)  # mm to the right, forward and up
    assert "Bright: the draws of the map disagree" in re.sub(r"<script.*?</script>", "", document, flags=re.DOTALL)


CHOOSE = """<script>setTimeout(async () => {
  const wait = () => new Promise((resolve) => setTimeout(resolve, 1500)), done = document.body.dataset;
  const read = () => [...document.querySelectorAll("#values tr.chosen td")][0].dataset.value;
  document.querySelector('[data-draw="fa_draws_2"]').click();
  await wait();
  [done.seenDraw, done.seenPressed] = [read(), document.querySelector('[data-draw="fa_draws_2"]').ariaPressed];
  const slider = document.querySelector("[data-walk]");
  for (const step of ["4", "3"]) { slider.value = step; slider.dispatchEvent(new Event("input")); }
  await wait();
  [done.seenStep, done.seenSaid] = [read(), slider.getAttribute("aria-valuetext")];
  document.querySelector("#screen").dispatchEvent(new KeyboardEvent("keydown", {key: ",", bubbles: true}));
  await wait();
  done.seenBack = read();
}, 3000);</script></body>"""


def test_draws_and_steps_are_laid_over_the_scan_with_their_values(tmp_path: Path) -> None:
    row = write_scan(tmp_path, "scan", VOLUME)
    draws, walk = write_draws_and_walk(tmp_path, "scan")
    output = write_results(tmp_path, [row])
    Pages(output, ["healthy", "ill"]).write()
    page = output / "scan_page.html"
    page.write_text(page.read_text().replace("</body>", CHOOSE))
    voxel = tuple(int(place) for place in np.argwhere(draws[1] > 0.2)[0])
    document = browse(tmp_path, f"{page.as_uri()}#voxel={','.join(map(str, voxel))}", "--dump-dom")
    found = dict(re.findall(r'data-seen-(\w+)="([^"]*)"', document))
    assert found["pressed"] == "true" and found["said"] == "step 4 of 5, 75% of the way to the mean of healthy"
    assert float(found["draw"]) == pytest.approx(draws[(2, *voxel)], abs=0.002)
    assert float(found["step"]) == pytest.approx(walk[(3, *voxel)], abs=3)
    assert float(found["back"]) == pytest.approx(walk[(2, *voxel)], abs=3)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "ASR"])
def test_positive_is_red_and_right_is_on_the_right(axes: str, tmp_path: Path) -> None:
    output = write_results(tmp_path, [write_scan(tmp_path, "scan", SLICE, axes)])
    Pages(output).write()
    page = output / "scan_page.html"
    style = "<style>body > main * { visibility: hidden } #screen, #screen canvas { visibility: visible !important }</style>"
    page.write_text(page.read_text().replace("</head>", f"{style}</head>"))
    browse(tmp_path, page.as_uri(), "--window-size=1280,1000", f"--screenshot={tmp_path / 'page.png'}")
    red, _, blue = np.asarray(Image.open(tmp_path / "page.png").convert("RGB"), dtype=int).transpose(2, 0, 1)
    (_, right), (_, left) = (np.argwhere(mask).mean(axis=0) for mask in (red > blue + 60, blue > red + 60))
    assert right > left + 50
    counts = [int(mask.sum()) for mask in (red > blue + 60, blue > red + 60)]
    assert min(counts) > 1000 and max(counts) < 1.3 * min(counts)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["index", "scan_page"])
def test_nothing_overflows_the_pages(width: int, name: str, tmp_path: Path) -> None:
    row = write_scan(tmp_path, "scan", warning="a warning of some length: " + "words " * 30)
    page = write_results(tmp_path, [row]) / f"{name}.html"
    Pages(page.parent).write()
    assert measure_width(page, width) <= width


@pytest.mark.parametrize("width", [390, 1280])
def test_the_table_of_regions_fits_its_column(width: int, tmp_path: Path) -> None:
    row = write_scan(tmp_path, "scan")
    page = write_results(tmp_path, [row]) / "scan_page.html"
    cells = "lateral-ventricle\tright\t-0.0123\t-0.432\t12.3\t-94.1\t-0.86"
    (page.parent / "regions.tsv").write_text(f"name\tregion\tside\tmean\textreme\tvolume_ml\tz\treliability\nscan\t{cells}\n")
    Pages(page.parent).write()
    box = "document.querySelector('#regions-table').parentElement"
    assert measure(page, width, f"{box}.scrollWidth - {box}.clientWidth") == 0


def test_sliders_have_the_value_that_the_page_shows(tmp_path: Path) -> None:
    page = write_results(tmp_path, [write_scan(tmp_path, "scan")]) / "scan_page.html"
    Pages(page.parent).write()
    document = browse(tmp_path, page.as_uri(), "--dump-dom")
    for name in ("threshold", "opacity", "end"):
        shown = re.search(f'<output id="{name}Value">([^<]+)</output>', document)
        assert shown is not None and re.search(f'id="{name}"[^>]*aria-valuetext="{shown[1]}"', document)


TABLE = """<script>setTimeout(() => {
  const find = (selector) => document.querySelector(selector);
  const change = (control, value) => {
    control.value = value;
    for (const type of ["input", "change"]) control.dispatchEvent(new Event(type));
  };
  const rows = "#scans tbody tr:not([hidden]) .name";
  const shown = () => [...document.querySelectorAll(rows)].map((cell) => cell.textContent).join(" ");
  const done = document.body.dataset;
  [...document.querySelectorAll("#scans thead button")].find((button) => button.textContent === "probability").click();
  done.sorted = shown();
  change(find("#class"), "ill"); done.filtered = shown(); change(find("#class"), "");
  change(find("#search"), "STRANGE"); done.searched = shown(); change(find("#search"), "");
  change(find('tr[data-key*="scan-2"] select'), "doubtful");
  change(find("#rated"), "doubtful"); done.rated = shown();
  const create = URL.createObjectURL;
  URL.createObjectURL = (blob) => { blob.text().then((text) => { done.table = JSON.stringify(text); }); return create(blob); };
  HTMLAnchorElement.prototype.click = () => {};
  find("#export").click();
}, 500);</script></body>"""


def test_the_table_is_sorted_filtered_searched_rated_and_exported(tmp_path: Path) -> None:
    rows = [
        write_scan(tmp_path, "scan-1", SLICE, probability_1=0.9),
        write_scan(tmp_path, "scan-2", SLICE, probability_1=0.6, warning="strange"),
        write_scan(tmp_path, "scan-10", SLICE, probability_1=0.3, probability_0=0.7, predicted_class=0, target_class=1),
    ]
    index = Pages(write_results(tmp_path, rows), ["healthy", "ill"]).write()
    assert index is not None
    index.write_text(index.read_text().replace("</body>", TABLE))
    document = browse(tmp_path, index.as_uri(), "--dump-dom")
    found = dict(re.findall(r'data-(sorted|filtered|searched|rated)="([^"]*)"', document))
    assert found == {"sorted": "scan-2 scan-10 scan-1", "filtered": "scan-2 scan-1", "searched": "scan-2", "rated": "scan-2"}
    table = re.search(r'data-table="([^"]*(?:&quot;[^"]*)*)"', document)
    assert table is not None
    lines = json.loads(table[1].replace("&quot;", '"')).splitlines()
    assert lines[0] == "scan\tname\trating\trated_at" and len(lines) == 2
    assert lines[1].split("\t")[:3] == [str(tmp_path / "scans" / "scan-2.nii.gz"), "scan-2", "doubtful"]
    assert 'data-ready="table"' in document


ADD = "<script>setTimeout(() => { %s }, 500)</script></body>"


def write_top(folder: Path) -> Path:
    """Write the pages of two sessions, one of which has two scans, and the page over them."""
    for place, names in (("sub-01/ses-M00", ["anat/a", "b"]), ("sub-02", ["anat/c"])):
        rows = [write_scan(folder / "maps" / place, name, SLICE) for name in names]
        write_results(folder / "maps" / place, rows)
        Pages(folder / "maps" / place / "output").write()
    (folder / "maps" / "settings.json").write_bytes((folder / "maps" / "sub-02" / "output" / "settings.json").read_bytes())
    return Pages(folder / "maps").collect(["sub-01/ses-M00/output", "sub-02/output"])


def test_pages_lead_back_to_that_of_all_participants_where_one_came_from_it(tmp_path: Path) -> None:
    top = write_top(tmp_path)
    links = set(re.findall(r'<a href="([^"]*_page.html[^"]*)"', browse(tmp_path, top.as_uri(), "--dump-dom")))
    assert len(links) == 3
    waiting, seen = [urljoin(top.as_uri(), link) for link in links], set[str]()
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        document = browse(tmp_path, address, "--dump-dom")
        up = re.findall(r'<a id="up" href="([^"]*)">All participants</a>', document)
        assert [urljoin(address, link) for link in up] == [top.as_uri()]
        others = re.findall(r'<a (?:id="home" |rel="\w+" |)href="([^"]*(?:_page|index)\.html[^"]*)"', document)
        waiting += [urljoin(address, link) for link in others]
    assert len(seen) == 5  # three scans and two sessions
    document = browse(tmp_path, next(iter(seen)).partition("?")[0], "--dump-dom")
    assert "All participants" not in document.partition("<script")[0] and 'id="up"' not in document.partition("<script")[0]


def test_a_rating_reaches_the_page_of_all_participants(tmp_path: Path) -> None:
    top = write_top(tmp_path)
    page = tmp_path / "maps" / "sub-01" / "ses-M00" / "output" / "anat" / "a_page.html"
    page.write_text(page.read_text().replace("</body>", ADD % "document.querySelector('#rating input[value=\"bad\"]').click()"))
    find_links = lambda address: dict(  # noqa: E731
        re.findall(r'id="(up|home)" href="([^"]*)"', browse(tmp_path, address, "--dump-dom"))
    )
    links = find_links(page.as_uri() + "?up=4")
    through = find_links(urljoin(page.as_uri(), links["home"]))["up"]  # the page of the session
    see = "document.body.dataset.seen = [...document.querySelectorAll('tbody select')].map((each) => each.value).join()"
    top.write_text(top.read_text().replace("</body>", ADD % see))
    for number, link in enumerate((links["up"], through)):
        other = tmp_path / f"other-{number}"  # a store of its own, as some browsers have for each file
        other.mkdir()
        assert 'data-seen="bad,,"' in browse(other, urljoin(page.as_uri(), link), "--dump-dom")


def test_failed_scans_cannot_be_rated(tmp_path: Path) -> None:
    failed = make_row("b", tmp_path / "b.nii", status="failed", reason="b.nii cannot be read", predicted_class="")
    index = Pages(write_results(tmp_path, [write_scan(tmp_path, "a", SLICE), failed])).write()
    assert index is not None
    choose = ADD % "rated.value = 'none'; rated.dispatchEvent(new Event('input'));"
    index.write_text(index.read_text().replace("</body>", choose))
    document = browse(tmp_path, index.as_uri(), "--dump-dom")
    assert re.findall(r'aria-label="Rating of (\w)"', document) == ["a"]
    assert "1 of 2 scans" in document  # that wait for a rating


def test_a_rating_of_a_page_is_seen_in_the_table(tmp_path: Path) -> None:
    index = Pages(write_results(tmp_path, [write_scan(tmp_path, "scan", SLICE)])).write()
    assert index is not None
    page = index.with_name("scan_page.html")
    choose = "<script>setTimeout(() => document.querySelector('#rating input[value=\"bad\"]').click(), 500)</script></body>"
    page.write_text(page.read_text().replace("</body>", choose))
    link = re.search(r'id="home" href="([^"]*)"', browse(tmp_path, page.as_uri(), "--dump-dom"))
    assert link is not None and "/index.html#rating=" in link[1]
    see = "<script>document.body.dataset.seen = document.querySelector('tbody select').value</script></body>"
    index.write_text(index.read_text().replace("</body>", see))
    other = tmp_path / "other"  # a store of its own, as some browsers have for each file
    other.mkdir()
    assert 'data-seen="bad"' in browse(other, index.as_uri() + "#" + link[1].partition("#")[2], "--dump-dom")
