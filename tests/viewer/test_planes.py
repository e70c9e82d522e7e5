"""The place that is shown first, and small pictures."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from tiny_results import AFFINES, SLICE, VOLUME, make_affine, make_map, turn

from bundle.viewer.planes import HEIGHT, draw_thumbnail, find_axes, find_plane, find_strongest


def test_a_single_voxel_does_not_decide_where_the_map_is_strongest() -> None:
    values = np.zeros((20, 20, 20))
    values[2, 2, 2] = 2.0
    values[9:14, 9:14, 9:14] = -1.0
    assert find_strongest(values) in [[i, j, k] for i in (10, 11, 12) for j in (10, 11, 12) for k in (10, 11, 12)]


@pytest.mark.parametrize(
    ("shape", "plane"), [((5, 6, 1), "axial"), ((5, 1, 6), "coronal"), ((1, 5, 6), "sagittal"), ((5, 6, 7), None)]
)
def test_a_slice_lies_in_the_plane_across_its_thin_axis(shape: tuple[int, ...], plane: str | None) -> None:
    assert find_plane(shape, make_affine("LPS")) == plane


def test_axes_lead_right_forward_and_up() -> None:
    assert find_axes(make_affine("LPS")) == [[0, -1], [1, -1], [2, 1]]
    assert find_axes(make_affine("ASR")) == [[2, 1], [0, 1], [1, 1]]


@pytest.mark.parametrize("axes", AFFINES)
@pytest.mark.parametrize("shape", [VOLUME, SLICE])
def test_the_picture_has_right_on_the_right_and_front_at_the_top(axes: str, shape: tuple[int, ...]) -> None:
    affine, shape = make_affine(axes), turn(shape, axes)
    picture = draw_thumbnail(np.ones(shape), make_map(shape, affine), affine, 0.3, 0.03)
    image = Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2])))
    red, _, blue = np.asarray(image.convert("RGB"), dtype=float).transpose(2, 0, 1)
    assert image.size[1] == HEIGHT and len(picture) < 1500
    (red_row, red_column), (_, blue_column) = (np.argwhere(mask).mean(axis=0) for mask in (red > blue + 60, blue > red + 60))
    assert red_column > blue_column and red_row < HEIGHT / 2
