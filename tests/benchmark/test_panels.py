import pytest
import torch

from bundle.benchmark.panels import make_panel, make_panels, read_maps
from bundle.benchmark.rows import list_rows
from tests.benchmark.conftest import METHODS


def test_each_kept_scan_is_shown_with_the_map_of_every_learned_row(finished):
    rows = list_rows(METHODS, finished, "Ours")
    panels = list(make_panels(rows, finished, rows[0]))
    assert [panel.title for panel in panels] == ["seen, scan 0 to class 1"]
    captions = [tile.caption for tile in panels[0].tiles]
    assert captions == ["scan", "truth", "Ours", "grad cam, theirs", "occlusion, theirs"]


def test_run_that_is_not_done_has_no_maps(runs):
    assert read_maps(list_rows({"ours": METHODS["ours"]}, runs, "Ours")[0], runs) == {}


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_maps_of_any_unit_use_the_whole_scale(spatial_dims):
    image = torch.rand(1, *[16] * spatial_dims) - 0.5
    panel = make_panel("title", image, image.abs(), {"one": image, "thousand": 1000 * image})
    assert panel.tiles[2].source == panel.tiles[3].source
