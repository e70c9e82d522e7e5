import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from bundle.report.images import (
    draw_map,
    draw_scan,
    draw_spread,
    draw_truth,
    find_point,
    find_range,
    name_planes,
    take_planes,
)


def pixels(source: str) -> np.ndarray:
    assert source.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).convert("RGB"))


def test_slices_are_shown_with_anterior_up_and_left_on_the_left():
    image = torch.zeros(1, 2, 3)  # x to the right, y to the front
    image[0, 0, 2] = 1  # left, front
    assert take_planes(image, (0, 0)).tolist() == [[1, 0], [0, 0], [0, 0]]


def test_volumes_are_shown_in_three_planes_through_the_strongest_point():
    truth = torch.zeros(1, 4, 5, 6)
    truth[0, 0:3, 1:4, 3:6] = -1  # around (1, 2, 4)
    point = find_point(truth)
    assert point == (1, 2, 4)
    shown = take_planes(truth, point, background=7.0)
    axial, coronal, sagittal = shown[:5], shown[5:11], shown[11:]
    assert shown.shape == (5 + 6 + 6, 5)  # y, z and z high, as wide as y
    assert axial[:, :4].tolist() == [[0] * 4] + [[-1, -1, -1, 0]] * 3 + [[0] * 4]
    assert coronal[:, :4].tolist() == [[-1, -1, -1, 0]] * 3 + [[0] * 4] * 3  # superior is up
    assert sagittal.tolist() == [[0, -1, -1, -1, 0]] * 3 + [[0] * 5] * 3
    assert (shown[:11, 4] == 7).all()


def test_a_single_strong_voxel_does_not_decide_where_to_look():
    image = torch.zeros(1, 12, 12)
    image[0, 2:5, 2:5], image[0, 9, 9] = 1, 5
    assert find_point(image) == (3, 3)


def test_a_scan_is_grey_from_black_to_white():
    assert pixels(draw_scan(np.array([[-1.0, 0.0, 1.0, 2.0]]))).tolist() == [[[0] * 3, [128] * 3, [255] * 3, [255] * 3]]


def test_a_map_is_black_at_zero_red_above_and_blue_below():
    blue, black, red = pixels(draw_map(np.array([[-0.2, 0.0, 0.2]]), limit=0.4))[0].tolist()
    assert max(black) <= 2 and red[0] > red[2] and blue[2] > blue[0]


def test_a_truth_is_orange_on_the_scan():
    inside, outside = pixels(draw_truth(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])))[0].tolist()
    assert inside[0] > inside[1] > inside[2] and outside == [128, 128, 128]


def test_a_spread_of_zero_is_black():
    assert pixels(draw_spread(np.zeros((1, 1)), limit=1.0)).max() < 5


def test_colours_end_at_fixed_magnitudes_and_weak_maps_stay_pale():
    strong, full, beyond = pixels(draw_map(np.array([[0.5, 0.5, 0.9]])))[0].tolist()
    assert strong == full == beyond
    weak = pixels(draw_map(np.full((1, 3), 0.01)))
    assert weak.max() < 10  # whatever else there is
    spread = pixels(draw_spread(np.array([[0.01, 0.1, 0.3]])))[0].astype(int).sum(axis=-1)
    assert spread[0] < spread[1] == spread[2]


@pytest.mark.parametrize(
    ("shape", "known", "name"),
    [
        ((1, 9, 9), True, "axial, z = 15 mm"),
        ((1, 9, 9), False, "axial"),
        ((1, 9, 9, 9), True, "axial, z = 21 mm; coronal, y = -14 mm; sagittal, x = -8 mm"),
        ((1, 9, 9, 9), False, "axial, plane 4 of 9; coronal, plane 3 of 9; sagittal, plane 2 of 9"),
    ],
)
def test_planes_are_named_in_mm_or_counted(shape, known, name):
    affine = np.array([[2.0, 0, 0, -10], [0, 2, 0, -18], [0, 0, 2, 15], [0, 0, 0, 1]]) if known else None
    assert name_planes(torch.zeros(shape), affine, (1, 2, 3)[: len(shape) - 1]) == name


def test_the_range_of_several_maps_is_that_of_all():
    assert find_range(torch.full((1, 4, 4), -2.0), torch.ones(1, 4, 4)) == pytest.approx(2.0)
    assert find_range(torch.zeros(1, 4, 4)) == 1.0


def test_many_colours_are_kept():
    plane = np.linspace(-1, 1, 900).reshape(30, 30)
    shown = pixels(draw_truth(plane, np.random.default_rng(0).random((30, 30))))
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 256
