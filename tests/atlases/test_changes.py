"""The change of regions, against numbers by hand."""

import numpy as np
import pytest

from bundle.atlases import Atlas, Placed, Region, check_place, measure_changes
from bundle.preprocessing.template import load_template

REGIONS = {1: Region("insula", "left"), 2: Region("insula", "right"), 7: Region("vermis", "both")}


def make_atlas() -> Atlas:
    labels = np.zeros((8, 8, 8), np.float32)
    labels[:2, :4], labels[6:, :4], labels[3:5, 6:, :2] = 1, 2, 7
    return Atlas(labels, np.diag([1.0, 1, 1, 1]), REGIONS)


def place(values: np.ndarray, affine: np.ndarray | None = None, edges: np.ndarray | None = None) -> Placed:
    affine = np.eye(4) if affine is None else affine
    return Placed(values, affine, affine if edges is None else edges)


@pytest.mark.parametrize("shape", [(8, 8, 8), (8, 8, 1)], ids=["3D", "2D"])
def test_mean_extreme_and_volume_are_those_by_hand(shape: tuple[int, ...]) -> None:
    values = np.zeros(shape, np.float32)
    values[:2, :4] = 0.2
    values[0, 0, 0], values[1, 1, 0], values[6, 0, 0] = -0.9, 0.5, 0.05
    table = measure_changes(place(values), make_atlas(), threshold=0.1).set_index(["region", "side"])
    count = 8 * shape[2]
    assert table.loc[("insula", "left"), "mean"] == pytest.approx((0.2 * (count - 2) - 0.9 + 0.5) / count)
    assert table["extreme"].tolist() == pytest.approx([-0.9, 0.05, 0.0])
    assert table["volume_ml"].tolist() == pytest.approx([count / 1000, 0, 0])
    assert table["region_ml"].tolist() == pytest.approx([count / 1000, count / 1000, 4 * min(shape[2], 2) / 1000])


def test_volumes_count_the_voxels_of_the_image_itself() -> None:
    """A head is larger or smaller than it is in MNI space."""
    table = measure_changes(place(np.ones((8, 8, 8)), edges=np.diag([2.0, 2, 2, 1])), make_atlas())
    assert table["region_ml"].iloc[0] == pytest.approx(64 * 8 / 1000)


def test_turned_voxels_give_the_same_figures() -> None:
    values = np.random.default_rng(0).normal(size=(8, 8, 8))
    turned = np.diag([-1.0, 1, 1, 1])
    turned[0, 3] = 7
    one = measure_changes(place(values), make_atlas())
    other = measure_changes(place(np.ascontiguousarray(values[::-1]), turned), make_atlas())
    for column in ("mean", "extreme", "volume_ml"):
        np.testing.assert_allclose(one[column], other[column])


def test_of_a_map_of_one_slice_only_that_slice_counts() -> None:
    values = np.zeros((8, 8, 8))
    values[..., 3] = 0.5
    table = measure_changes(place(values), make_atlas(), plane=3.0)
    assert table["mean"].tolist() == pytest.approx([0.5, 0.5]) and table["region_ml"].tolist() == pytest.approx([0.008, 0.008])


def test_regions_outside_of_the_map_have_no_row() -> None:
    away = np.eye(4)
    away[0, 3] = 5
    assert measure_changes(place(np.ones((3, 8, 8)), away), make_atlas())["side"].tolist() == ["right"]
    away[0, 3] = 500
    assert measure_changes(place(np.ones((3, 8, 8)), away), make_atlas()).empty


def test_a_scan_elsewhere_is_refused_with_its_overlap() -> None:
    template = load_template()
    brain = place(template.image[::2, ::2, ::2], template.affine @ np.diag([2, 2, 2, 1.0]))
    check_place(brain)
    away = brain.affine.copy()
    away[1, 3] += 30
    with pytest.raises(ValueError, match=r"not in MNI space.*by 0\.\d\d \(Dice\)"):
        check_place(place(brain.values, away))
