import pytest
import torch

from bundle.benchmark import Plan, Publication
from bundle.benchmark.publication import make_panel, make_panels
from bundle.benchmark.results import Results
from tests.benchmark.conftest import MEASURES, METHODS


def test_each_kept_scan_is_shown_with_the_map_of_every_learned_row(finished):
    panels = list(make_panels(Results(METHODS, finished, "Ours")))
    assert [panel.title for panel in panels] == ["seen, scan 0 to class 1"]
    captions = [tile.caption for tile in panels[0].tiles]
    assert captions == ["scan", "truth", "Ours", "grad cam, theirs", "occlusion, theirs"]


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_maps_of_any_unit_use_the_whole_scale(spatial_dims):
    image = torch.rand(1, *[16] * spatial_dims) - 0.5
    panel = make_panel("title", image, image.abs(), {"one": image, "thousand": 1000 * image})
    assert panel.tiles[2].source == panel.tiles[3].source


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
