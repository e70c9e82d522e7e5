import re

import pandas as pd
import pytest
import torch
from monai.data import MetaTensor

from bundle.data.intensities import INTENSITY_RANGE
from bundle.report.images import draw_scan, take_planes
from bundle.report.panels import (
    NUM_STEPS,
    choose_scans,
    make_interpolation,
    make_pair,
    make_pairs,
    make_panel,
    make_panels,
    orient,
)
from tests.report.test_images import pixels
from tests.tiny_evaluation import build_evaluation, build_explainer
from tests.tiny_pairs import GAIN, TinyPairs, build_known_network


@pytest.fixture(params=[2, 3])
def explainer(request, make_cohort, make_network):
    return build_explainer(make_network(request.param), make_cohort(request.param))


def test_scans_at_the_quartiles_of_the_score_are_shown():
    rows = [("paired", scan, score) for scan, score in enumerate([0.3, 0.1, 0.5, 0.2, 0.4])] + [("paper", 9, 0.9)]
    scans = pd.DataFrame(rows, columns=["protocol", "scan", "ncc_image"])
    scans = scans.assign(split="seen", direction="-", method="exemplar_reconstruction")
    assert choose_scans(scans, "seen", "-", "ncc_image") == [(3, 0.2), (0, 0.3), (4, 0.4)]
    assert choose_scans(scans[scans["protocol"] == "paper"], "seen", "-", "ncc_image") == [(9, 0.9)]
    assert choose_scans(scans, "unseen", "-", "ncc_image") == choose_scans(pd.DataFrame(), "seen", "-", "ncc_image") == []


def test_a_panel_shows_scan_truth_translation_and_maps(explainer):
    panel = make_panel(explainer, explainer.encode().attribute, index=0, target=1, score=0.25)
    names = [tile.caption.split(",")[0] for tile in panel.tiles]
    assert names == ["scan", "truth", "translated", "exemplar map", "mean of 4 maps", "their standard deviation"]
    assert panel.title.startswith("test-0, class 0 to 1, reference test-") and "NCC 0.25. axial" in panel.title
    ends = [tile.caption.split(", ")[-1] for tile in panel.tiles[3:]]
    assert ends == ["±0.5", "±0.5", "0 to 0.1"]


def test_weak_maps_stay_pale(explainer, monkeypatch):
    attribute = explainer.encode().attribute
    truths, exemplar, sampled = explainer.explain([0], 1, attribute)
    weak = exemplar._replace(mean=0.01 * exemplar.mean / exemplar.mean.abs().max())
    monkeypatch.setattr(explainer, "explain", lambda *_: (truths, weak, sampled))
    tile = make_panel(explainer, attribute, index=0, target=1, score=None).tiles[3]
    assert pixels(tile.source).max() < 10


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_a_true_change_has_the_scale_of_the_maps_and_planes_are_places_of_both_scans(spatial_dims, tmp_path):
    cohort, affine = TinyPairs(spatial_dims, converters=1, repeats=0), torch.eye(4, dtype=torch.float64)
    for place, images in enumerate(cohort.images.values()):
        moved = affine.clone()
        moved[0, 3] = place  # mm
        images["image"] = MetaTensor(images["image"], affine=moved, meta={INTENSITY_RANGE: torch.tensor([0.0, 2 * GAIN])})
    pairs = build_evaluation(build_known_network(spatial_dims), cohort, tmp_path).pairs
    panel = make_pair(pairs, pairs.explainer.encode().attribute, 0, 0.0)
    shown = {tile.caption.split(",")[0]: pixels(tile.source).astype(int) for tile in panel.tiles}
    assert [tile.caption for tile in panel.tiles[3:]] == ["map, ±0.5", "true change, ±0.5"]
    assert abs(shown["map"] - shown["true change"]).max() <= 1  # the network is right
    scan, other = (pairs.split.load(index) for index in (0, pairs.split.pairs[0]))
    name = panel.title.split(". ", 1)[1]
    assert name.startswith("axial, z = ") and name.count(" mm") == (1 if spatial_dims == 2 else 3)
    if spatial_dims == 3:
        x, y, z = (int(re.search(rf"{axis} = (-?\d+) mm", name)[1]) for axis in "xyz")
        place = x - int(other.affine[0, 3]), y, z
        assert place[0] != x - int(scan.affine[0, 3])
        assert panel.tiles[1].source == draw_scan(take_planes(other.image, place, -1.0))


def test_every_direction_is_shown_from_its_own_class(explainer):
    panels = make_panels(explainer, pd.DataFrame(), explainer.encode().attribute, "unseen", "ncc_image")
    assert list(panels) == ["-", "+"]
    assert all(panel.title.startswith(("test-5,", "test-7,")) for panel in panels["-"])
    assert all(panel.title.startswith(("test-4,", "test-6,")) for panel in panels["+"])


def test_an_interpolation_starts_without_a_change(explainer):
    panel = make_interpolation(explainer, explainer.encode().attribute, "unseen", target=1)
    assert len(panel.tiles) == 2 * NUM_STEPS and panel.title.startswith("test-4,")
    assert panel.tiles[NUM_STEPS].caption == "change at 0%, ±0.5"
    assert panel.tiles[NUM_STEPS].source != panel.tiles[-1].source


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_pairs_of_each_kind_and_direction_are_shown(spatial_dims, tmp_path):
    cohort = TinyPairs(spatial_dims, converters=3, repeats=2)
    pairs = build_evaluation(build_known_network(spatial_dims), cohort, tmp_path).pairs
    attribute = pairs.explainer.encode().attribute
    table = pd.DataFrame(pairs.run(attribute)["pairs"])
    panels = make_pairs(pairs, table, attribute, "seen")
    assert [panel.title.split(", ", 1)[1].split(":")[0] for panel in panels] == [
        "converter, class 0 to 1", "converter, class 1 to 0", "repeat, class 0 to 0",
    ]  # fmt: skip
    captions = [[re.split(r",| M\d", tile.caption)[0] for tile in panel.tiles] for panel in panels]
    assert captions[0] == ["scan", "other scan", "translated", "map", "true change"]
    assert captions[2] == ["scan", "other scan", "translated", "map"]  # the true map of a repeat is empty
    assert make_pairs(pairs, table, attribute, "unseen") == []
    assert make_pairs(pairs, pd.DataFrame(), attribute, "seen") == []


def test_a_change_is_shown_in_the_direction_of_the_translation_and_a_mask_as_it_is():
    change, mask = torch.tensor([[0.0, -3.0]]), torch.tensor([[0.0, 1.0]])
    assert orient(change, 0, 1).equal(change) and orient(change, 1, 0).equal(-change)
    assert orient(mask, 1, 0).equal(mask)
