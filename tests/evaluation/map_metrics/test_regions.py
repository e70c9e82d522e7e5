"""Change by region, against maps whose share of the true change is known."""

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_evaluation import make_scan

from bundle.atlases import load_atlas
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
    labels = split.scan.regions.int()
    voxels = [int(Regions(split, edge, 4.0).mark(labels)[1][1].sum()) for edge in (1.0, 2.0, 8.0)]
    assert voxels == sorted(voxels, reverse=True) and voxels[2] == int((labels == 1).sum())


def test_the_correlation_over_scans_of_drawn_and_true_means_is_that_of_numpy(image_size) -> None:
    rows, means = [], []
    for scale in (0.5, 1.0, 1.5, 3.0):
        split = make_split(image_size)
        split.scan = split.scan._replace(disease_map=scale * split.scan.disease_map.abs())
        drawn = split.scan.disease_map + 0.1 * torch.rand(())
        rows += Regions(split, 1.0, 1.0, ["left"]).measure(0, 1, {"map": drawn})
        inside = split.scan.regions == 1
        means.append([float(drawn[inside].mean()), float(split.scan.disease_map[inside].mean())])
    metrics = summarise_regions(pd.DataFrame(rows), Bootstrap(num_resamples=10)).set_index("metric")["mean"]
    assert metrics["correlation_left"] == pytest.approx(np.corrcoef(np.array(means).T)[0, 1])


def test_labels_of_an_atlas_take_the_place_of_those_of_the_scan(image_size) -> None:
    split = make_split(image_size)
    affine = np.array([[2.0, 0, 0, -32], [0, 2, 0, -50], [0, 0, 2, 10], [0, 0, 0, 1]])
    split.scan = split.scan._replace(affine=affine, regions=None)
    rows = pd.DataFrame(Regions(split, 2.0, 0.0, atlas="aal").measure(0, 1, {"map": split.scan.disease_map}))
    names = set(rows["region"])
    assert {"left-Hippocampus", "right-Hippocampus"} <= names or {"left-Thalamus", "right-Thalamus"} <= names
    labels = load_atlas("aal").label((*image_size, 1)[:3], affine)
    inside = torch.from_numpy(labels == 77).view(split.scan.image.shape)  # Thalamus_L
    row = rows.set_index("region").loc["left-Thalamus"]
    assert row["true_mean"] == pytest.approx(float(split.scan.disease_map[inside].mean()), abs=1e-7) and inside.any()


def test_scans_without_a_known_change_or_regions_have_no_rows(image_size) -> None:
    split = make_split(image_size)
    assert Regions(split).measure(0, 0, {"map": torch.zeros(1, *image_size)}) == []
    split.scan = split.scan._replace(regions=None)
    assert Regions(split).measure(0, 1, {"map": torch.zeros(1, *image_size)}) == []
