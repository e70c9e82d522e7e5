import math

import numpy as np
import pandas as pd
import pytest
import torch
from monai.data import Dataset

from bundle.evaluation import Bootstrap, Split
from bundle.evaluation.map_metrics.volumes import (
    Ventricles,
    find_peaks,
    label_ventricles,
    mark_neighbourhood,
    summarise_volumes,
)
from tests.tiny_pairs import LOSS, TinyPairs, draw_regions, draw_rim

PEAKS = (-0.6, 0.1, 0.6)  # CSF, grey and white matter of the tiny brains


def scan_of(spatial_dims: int, state: float = 0.0) -> dict:
    cohort = TinyPairs(spatial_dims, converters=0, repeats=0)
    return cohort.load(cohort.add("scan", 0, state))


@pytest.fixture(params=[2, 3])
def ventricles(request) -> Ventricles:
    cohort = TinyPairs(request.param, converters=0, repeats=0)
    rows = [cohort.add("scan", state, float(state), f"M{state}") | {"pair": f"M{1 - state}"} for state in (0, 1)]
    return Ventricles(Split(Dataset(rows, cohort.load)), 2.0, dilation=2.0)


def test_peaks_are_those_of_the_tissues():
    assert find_peaks(scan_of(3)["image"], scan_of(3)["brain_mask"]) == pytest.approx(PEAKS, abs=0.02)
    assert find_peaks(scan_of(3)["image"], None) == pytest.approx(PEAKS, abs=0.02)


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_ventricles_are_the_first_two_labels(spatial_dims):
    regions = draw_regions(spatial_dims)
    assert torch.equal(label_ventricles(regions), regions > 0)
    assert not label_ventricles(regions + 2 * (regions > 0)).any()


@pytest.mark.parametrize(("size", "count"), [((1.0, 1.0, 1.0), 7), ((2.0, 1.0, 1.0), 5), ((2.0, 2.0, 2.0), 1)])
def test_the_neighbourhood_is_measured_in_mm(size, count):
    regions = torch.zeros(1, 5, 5, 5)
    regions[0, 2, 2, 2] = 2
    assert mark_neighbourhood(regions, size, dilation=1.0).sum() == count
    assert not mark_neighbourhood(torch.zeros(1, 5, 5, 5), size, dilation=1.0).any()


def test_volume_is_the_sum_of_the_fluid_fraction(ventricles):
    labelled = ventricles.split.load(0).regions.count_nonzero().item() * 8e-3  # 2 mm voxels, ml
    measured, found = ventricles.measure_scan(0)
    assert found == pytest.approx(labelled)
    assert measured == pytest.approx(labelled, rel=0.03)  # of the ventricles all, of what is around them nothing


def test_partial_volumes_count_in_proportion(ventricles):
    image = ventricles.split.load(0).image
    rim = draw_rim(image.ndim - 1)
    half = torch.where(rim > 0, torch.tensor(np.mean(PEAKS[:2]), dtype=torch.float32), image)  # between CSF and grey matter
    before, after = ventricles.measure(0, image, half)
    assert after - before == pytest.approx(0.5 * rim.sum().item() * 8e-3, rel=0.05)


def test_change_by_translation_is_compared_with_the_change_between_the_scans(ventricles):
    image = ventricles.split.load(0).image
    volumes = ventricles.compare(0, "exemplar", image, image + LOSS * draw_rim(image.ndim - 1))
    grown = draw_rim(image.ndim - 1).sum().item() * 8e-3
    assert volumes["own_ml"] == volumes["reconstruction_ml"]
    assert volumes["change_ml"] == pytest.approx(grown, rel=0.03)
    assert volumes["true_change_ml"] == pytest.approx(grown, rel=0.1)
    assert volumes["label_change_ml"] == 0  # the labels of the tiny brains do not grow


def table_of(change: list[float]) -> pd.DataFrame:
    true = np.arange(1.0, 1 + len(change))
    rows = pd.DataFrame({"scan": range(len(change)), "change_ml": change, "true_change_ml": true, "label_change_ml": 2 * true})
    rows = rows.assign(own_ml=true**2, label_ml=3 - true**2, split="seen", kind="converter", direction="+", method="exemplar")
    return rows.assign(label=0, pair_label=1)


def test_summary_has_correlation_and_ratio_of_the_changes():
    rows = summarise_volumes(table_of([2.0, 4.0, 6.0]), Bootstrap(num_resamples=20)).set_index(["method", "metric"])
    assert rows.loc[("exemplar", "volume_correlation"), "mean"] == pytest.approx(1)
    assert rows.loc[("exemplar", "volume_ratio"), ["mean", "ci_low", "ci_high"]].tolist() == pytest.approx([2, 2, 2])
    assert rows.loc[("measure", "change_vs_label"), "mean"] == pytest.approx(1)
    assert rows.loc[("measure", "volume_vs_label"), "mean"] == pytest.approx(-1)
    assert (rows["n"] == 3).all() and set(rows["protocol"]) == {"pairs"}


def test_repeats_do_not_count_in_the_summary():
    repeat = table_of([99.0]).assign(scan=9, kind="repeat", direction="", pair_label=0)
    table = pd.concat([table_of([1.0, 2.0, 3.0]), repeat])
    rows = summarise_volumes(table, Bootstrap(num_resamples=20)).set_index(["method", "metric"])
    assert rows.loc[("exemplar", "volume_ratio"), "mean"] == 1
    assert rows.loc[("measure", "change_vs_label"), "n"] == 3 and rows.loc[("measure", "volume_vs_label"), "n"] == 4


def test_a_change_that_is_the_same_for_all_has_no_correlation():
    rows = summarise_volumes(table_of([2.0, 2.0, 2.0]), Bootstrap(num_resamples=20)).set_index(["method", "metric"])
    assert math.isnan(rows.loc[("exemplar", "volume_correlation"), "mean"])
