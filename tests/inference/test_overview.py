"""Pictures of scans: one colour scale, the same planes in all columns, and what they say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from monai.data import MetaTensor
from PIL import Image

from bundle.data.headers import WARNINGS_KEY
from bundle.inference import Overview
from bundle.inference.overview import find_strongest, save_strip

AFFINE = torch.tensor([[2.0, 0, 0, -20], [0, 2, 0, -30], [0, 0, 2.5, -10], [0, 0, 0, 1]])
SHAPES = {2: (12, 14), 3: (12, 14, 10)}
PLACE = (3, 9, 6)  # of the change: x = -14, y = -12, z = 5 mm


def make_item(spatial_dims: int, size: float = 0.2, **changes: Any) -> dict[str, Any]:
    mean = torch.zeros(1, *SHAPES[spatial_dims])
    mean[(0, *(slice(place - 1, place + 2) for place in PLACE[:spatial_dims]))] = size
    explanation = {"fa_mean": mean, "fa_variance": mean**2, "translated": mean}
    image = MetaTensor(torch.zeros_like(mean), affine=AFFINE, meta={WARNINGS_KEY: ["unlike the others"]})
    result = {"predicted_class": 1, "target_class": 0, "probabilities": [0.2, 0.8]}
    return {"name": "sub-01", "image": image, "explanation": explanation, "result": result, **changes}


def draw(item: dict[str, Any], **settings: Any) -> Figure:
    figure = Figure()
    Overview(["healthy", "ill"], **settings).draw(figure, item)
    return figure


def list_images(figure: Figure, column: str) -> list[AxesImage]:
    """Return the images below a title."""
    axes = [each for each in figure.axes if each.images and each.get_label() != "<colorbar>"]
    places = {each.get_title(): each.get_subplotspec().colspan.start for each in axes if each.get_title()}
    return [each.images[0] for each in axes if each.get_subplotspec().colspan.start == places[column]]


def read_texts(figure: Figure) -> str:
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    return " ".join([figure.get_suptitle(), figure.get_supxlabel(), *texts]).replace("\n", " ")


@pytest.mark.parametrize("spatial_dims", [2, 3])
@pytest.mark.parametrize("size", [0.001, 0.2])
def test_the_colours_end_at_the_same_magnitude_whatever_the_map(spatial_dims: int, size: float) -> None:
    figure = draw(make_item(spatial_dims, size))
    images = list_images(figure, "mean map towards healthy")
    assert len(images) == (1 if spatial_dims == 2 else 3)
    assert {image.get_clim() for image in images} == {(-0.5, 0.5)}
    assert {image.get_clim() for image in list_images(figure, "standard deviation of the maps")} == {(0.0, 0.1)}
    assert "Colours end at ±0.5 network intensity for all scans" in read_texts(figure)
    assert list_images(draw(make_item(3), colour_limit=0.2), "mean map towards healthy")[0].get_clim() == (-0.2, 0.2)


def test_planes_are_those_of_the_change_in_all_columns_and_are_named() -> None:
    item = make_item(3)
    figure = draw(item)
    mean = item["explanation"]["fa_mean"][0].numpy()
    planes = [mean[:, :, PLACE[2]], mean[:, PLACE[1]], mean[PLACE[0]]]
    for column in ("mean map towards healthy", "translated to healthy"):
        for image, plane in zip(list_images(figure, column), planes, strict=True):
            np.testing.assert_array_equal(np.asarray(image.get_array()), plane.T)
    for text in ("axial, z = 5 mm", "coronal, y = -12 mm", "sagittal, x = -14 mm"):
        assert text in read_texts(figure)


def test_planes_can_be_chosen_in_mm_and_lie_inside_of_the_grid() -> None:
    text = read_texts(draw(make_item(3), planes=[-4, 500, 2]))
    assert "sagittal, x = -4 mm" in text and "coronal, y = -4 mm" in text and "axial, z = 2 mm" in text
    assert "axial, z = -10 mm" in read_texts(draw(make_item(2), planes=[-4, 5, 2]))  # a slice has one


def test_scan_class_direction_colours_and_doubts_are_said() -> None:
    text = read_texts(draw(make_item(2), cautions=["Trained on toys alone"]))
    for sentence in (
        "sub-01: ill (probability 0.80). The maps lead to healthy.",
        "Red to yellow: brighter after translation to healthy. Blue to cyan: darker. Lighter is stronger, black no change.",
        "Caution: Trained on toys alone. Caution: unlike the others.",
    ):
        assert sentence in text


@pytest.mark.parametrize("name", ["M\udcfcller", "a $x_1 b$ c", "a\\b"])
def test_names_are_drawn_as_they_are(name: str, tmp_path: Path) -> None:
    Overview(["$x_", "ill"]).save(make_item(2, name=name), tmp_path / "overview.png")
    assert (tmp_path / "overview.png").stat().st_size > 1000


@pytest.mark.parametrize("planes", [[1, 2], "axial", 5, [1, "a", 2]])
def test_planes_that_are_no_place_are_refused(planes: Any) -> None:
    with pytest.raises(ValueError, match="planes must be x, y and z in mm"):
        Overview(planes=planes)


def test_the_strongest_place_is_that_of_a_region_and_not_of_a_voxel() -> None:
    values = np.zeros((20, 20))
    values[2, 2], values[10:13, 10:13] = -1.0, 0.5
    assert find_strongest(values) == [11, 11]


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_pictures_are_files(spatial_dims: int, tmp_path: Path) -> None:
    Overview().save(make_item(spatial_dims), tmp_path / "overview.png")
    images = MetaTensor(torch.rand(3, 1, *SHAPES[spatial_dims]), affine=AFFINE)
    save_strip(images, ["first", "second", "third"], tmp_path / "strip.png")
    for name in ("overview", "strip"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert min(picture.size) > 200
