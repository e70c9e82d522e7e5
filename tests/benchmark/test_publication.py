import re

import pytest
import torch
from browser import browse, measure_width, needs_chromium

from bundle.benchmark import Plan, Publication
from bundle.benchmark.publication import make_panel, make_panels
from bundle.benchmark.results import Results
from tests.benchmark.conftest import MEASURES, METHODS
from tests.report.test_images import pixels


def test_each_kept_scan_is_shown_with_the_map_of_every_learned_row(finished):
    panels = list(make_panels(Results(METHODS, finished, "Ours")))
    assert [panel.title for panel in panels] == ["seen, scan 0 to class 1. axial"]
    names, ends = zip(*(tile.caption.rsplit(", ", 1) for tile in panels[0].tiles[2:]), strict=True)
    assert panels[0].tiles[0].caption == "scan" and panels[0].tiles[1].caption.startswith("truth")
    assert names == ("Ours", "Grad-CAM, theirs", "occlusion, theirs")
    assert ends[0] == "±0.5" and all(float(end[1:]) == pytest.approx(2.8, abs=0.6) for end in ends[1:])  # 99.5 % of N(0, 1)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_colours_end_where_they_are_said_to_and_weak_maps_stay_pale(spatial_dims):
    image = torch.rand(1, *[16] * spatial_dims) - 0.5
    maps = {"one": image, "thousand": 1000 * image, "weak": 0.01 * image}
    scan = {"scan": image, "truth": (image > 0).float()}
    panel = make_panel("title", scan, maps, {"one": 0.5, "thousand": 500.0, "weak": 0.5})
    assert panel.tiles[2].source == panel.tiles[3].source
    assert [tile.caption for tile in panel.tiles[1:]] == ["truth", "one, ±0.5", "thousand, ±500", "weak, ±0.5"]
    assert pixels(panel.tiles[4].source).max() < 10
    assert panel.title.startswith("title. axial") and panel.title.count("plane") == (3 if spatial_dims == 3 else 0)


def test_planes_are_in_mm_and_true_changes_in_network_intensity_where_these_are_known():
    image, change = torch.zeros(1, 8, 8, 8), torch.zeros(1, 8, 8, 8)
    change[0, 1:4, 2:5, 3:6] = 500.0  # scanner units
    affine = torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0]))
    affine[:3, 3] = torch.tensor([-10.0, -20.0, -30.0])
    scan = {"scan": image, "truth": change, "affine": affine, "unit": torch.tensor(0.001)}
    panel = make_panel("title", scan, {"map": 0.001 * change}, {"map": 0.5})
    assert panel.title == "title. axial, z = -22 mm; coronal, y = -14 mm; sagittal, x = -6 mm"
    assert [tile.caption for tile in panel.tiles] == ["scan", "true change, ±0.5", "map, ±0.5"]
    assert panel.tiles[1].source == panel.tiles[2].source


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reference_method": "Yours"}, "reference_method must be the title of a row, one of Ours, got 'Yours'"),
        ({"published": {"Ours": {"plus": "0.3"}}}, "published#Ours#plus must be a number"),
        ({"published": {"Ours": {"pluss": 0.3}}}, "published#Ours must be a mapping with any of accuracy, minus and plus"),
        ({"headline": "ncc_imag"}, "headline must be one of"),
        ({"level": 95}, "level must be a number above 0 and below 1"),
    ],
)
def test_settings_are_refused_before_anything_runs(tmp_path, wrong, message):
    plan = Plan(METHODS, MEASURES, [0], tmp_path)
    with pytest.raises(ValueError, match=message):
        Publication(plan, **({"reference_method": "Ours"} | wrong))


@pytest.fixture
def page(tmp_path, finished):
    """Page of runs that are done."""
    Publication(Plan(METHODS, MEASURES, [0, 1, 2], tmp_path), "Ours").write()
    return tmp_path / "index.html"


def test_every_claim_has_a_figure_with_a_question_units_scans_seeds_and_intervals(page):
    text = page.read_text()
    found = re.findall(r"</svg>\n?<figcaption><strong>([^<]+\?)</strong> ([^<]+)</figcaption>", text)
    questions = ["Whose maps lie where the change is?", "By how much is Ours ahead?"]
    assert [question for question, _ in found] == 2 * questions  # both directions
    for _, caption in found:
        assert all(words in caption for words in ("dimensionless", "6 scans", "3 seeds", "95 % intervals over seeds"))
    assert "Grad-CAM, theirs" in text and "grad_cam" not in text and "ncc_image" not in text
    assert text.count("<img ") == text.count('alt="') and 'alt=""' not in text


@pytest.mark.slow
@needs_chromium
def test_the_page_opens_from_the_disk_sorts_and_fits_any_width(page):
    assert browse(page.parent, page.as_uri(), "--dump-dom").count('<button type="button">') > 10
    for width in (390, 1280):
        assert measure_width(page, width) <= width
