"""Change by region, against maps whose share of the true change is known."""

import pandas as pd
import pytest
import torch
from tiny_evaluation import make_scan

from bundle.evaluation import Bootstrap
from bundle.evaluation.map_metrics.regions import Regions, summarise_regions


class OneScan:
    """A split of one scan."""

    def __init__(self, scan) -> None:
        self.scan = scan

    def load(self, index: int):
        return self.scan

    def describe(self, index: int) -> dict:
        return {"scan": index, "split": "seen"}

    def name_direction(self, label: int, target: int) -> str:
        return "+"


def make_split(image_size: tuple[int, ...]) -> OneScan:
    regions = torch.zeros(1, *image_size)
    regions[:, 4:8, 4:8], regions[:, 20:24, 4:8] = 1, 3
    change = torch.where(regions > 0, 0.2 * torch.rand(1, *image_size) - 0.1, torch.zeros(()))
    fields = {"disease_map": change, "regions": regions, "changed_label": 1, "unit": 1.0}
    return OneScan(make_scan(0, torch.zeros(1, *image_size), **fields))


def test_the_share_that_is_drawn_in_each_region_is_found(image_size) -> None:
    split = make_split(image_size)
    share = torch.where(split.scan.regions == 1, 0.5, 2.0)
    rows = Regions(split, 1.0, 1.0, ["left", "right"]).measure(0, 1, {"map": share * split.scan.disease_map})
    metrics = summarise_regions(pd.DataFrame(rows), Bootstrap(num_resamples=10)).set_index("metric")["mean"]
    assert metrics.to_dict() == pytest.approx({"drawn_left": 0.5, "ncc_left": 1.0, "drawn_region-3": 2.0, "ncc_region-3": 1.0})


def test_a_change_in_the_wrong_place_of_a_region_is_not_drawn(image_size) -> None:
    split = make_split(image_size)
    moved = split.scan.disease_map.roll(1, 1)
    rows = Regions(split, 1.0, 2.0).measure(0, 1, {"map": moved, "nothing": torch.zeros_like(moved)})
    metrics = summarise_regions(pd.DataFrame(rows), Bootstrap(num_resamples=10)).set_index(["method", "metric"])["mean"]
    assert abs(metrics["map", "drawn_region-1"]) < 0.7 and metrics["nothing", "drawn_region-1"] == 0
    assert ("nothing", "ncc_region-1") not in metrics  # a constant map has none


def test_a_region_is_seen_as_far_as_its_dilation_in_mm(image_size) -> None:
    split = make_split(image_size)
    voxels = [int(Regions(split, edge, 4.0).mark(split.scan)["region-1"].sum()) for edge in (1.0, 2.0, 8.0)]
    assert voxels == sorted(voxels, reverse=True) and voxels[2] == int((split.scan.regions == 1).sum())


def test_scans_without_a_known_change_or_regions_have_no_rows(image_size) -> None:
    split = make_split(image_size)
    assert Regions(split).measure(0, 0, {"map": torch.zeros(1, *image_size)}) == []
    split.scan = split.scan._replace(regions=None)
    assert Regions(split).measure(0, 1, {"map": torch.zeros(1, *image_size)}) == []
