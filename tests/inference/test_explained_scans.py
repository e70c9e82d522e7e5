"""One scan of an inference: state, warnings and files."""

import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from tiny_scans import make_affine

import bundle.inference.explained_scans as module
from bundle.data.headers import WARNINGS_KEY
from bundle.inference import SplitExplanationd
from bundle.inference.explained_scans import describe_state, list_warnings, take_array, write_explanation
from bundle.networks import PARTS

SHAPES = {2: (5, 6), 3: (5, 6, 4)}


def make_item(spatial_dims: int) -> dict[str, Any]:
    images = torch.arange(2.0 * np.prod(SHAPES[spatial_dims])).reshape(2, 1, *SHAPES[spatial_dims])
    affine = torch.as_tensor(make_affine())
    return {"name": "sub-01/scan", "pred": MetaTensor(images[0], affine), "translated": MetaTensor(images[1], affine)}


def test_the_state_of_a_scan_changes_with_each_of_its_files(tmp_path: Path) -> None:
    item = {"name": "scan", "image": tmp_path / "prepared.nii", "raw_image": tmp_path / "raw.nii"}
    for key, content in (("image", b"abc"), ("raw_image", b"abcde")):
        item[key].write_bytes(content)
        os.utime(item[key], ns=(0, 7_000_000_000))
    assert describe_state(item) == "3@7000000000 5@7000000000"
    os.utime(item["raw_image"], ns=(0, 8_000_000_000))
    assert describe_state(item) == "3@7000000000 5@8000000000"
    item["raw_image"].unlink()
    assert describe_state(item) == ""


def test_warnings_are_those_of_the_image_if_there_is_one() -> None:
    assert list_warnings({"image": MetaTensor(torch.zeros(1, 2, 2), meta={WARNINGS_KEY: ["doubtful"]})}) == ["doubtful"]
    assert list_warnings({"image": MetaTensor(torch.zeros(1, 2, 2))}) == list_warnings({"reason": "cannot be read"}) == []


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_an_array_has_no_channel_and_the_affine_of_its_scan(spatial_dims: int) -> None:
    image = make_item(spatial_dims)["translated"]
    array, affine, fields = take_array(image.double())
    assert array.dtype == np.float32 and fields == {}
    np.testing.assert_array_equal(array, image.as_tensor()[0])
    np.testing.assert_array_equal(affine, make_affine())


@pytest.mark.parametrize("spatial_dims", [2, 3])
def test_each_map_that_a_scan_has_is_a_file_of_its_name(spatial_dims: int, tmp_path: Path) -> None:
    item = make_item(spatial_dims)
    paths = write_explanation(item, tmp_path, overview=None)
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        f"sub-01/scan_{key}.nii.gz" for key in ("fa_mean", "translated")
    ]
    for path, key in zip(paths, ("pred", "translated"), strict=True):
        np.testing.assert_array_equal(np.squeeze(nibabel.load(path).get_fdata()), item[key].as_tensor()[0])


def test_no_file_is_left_when_one_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = module.write_nifti

    def fail(path: Path, *args: Any) -> None:
        if path.name == "scan_translated.nii.gz":
            raise OSError(28, "No space left on device")
        write(path, *args)

    monkeypatch.setattr(module, "write_nifti", fail)
    with pytest.raises(OSError, match="No space left on device"):
        write_explanation(make_item(2), tmp_path, overview=None)
    assert not list((tmp_path / "sub-01").iterdir())


@pytest.mark.parametrize("p", [0.01, 0.5])
def test_a_scan_unlike_those_of_the_training_carries_a_warning_that_names_the_part(p: float) -> None:
    image = MetaTensor(torch.zeros(1, 4, 4), meta={"filename_or_obj": "sub-01.nii.gz"})
    answer = {"probabilities": torch.tensor([0.3, 0.7]), "target": torch.tensor(0), "fa_mean": torch.zeros(1, 4, 4)}
    answer |= {"typicality": torch.tensor(p), "untypical_part": torch.tensor(PARTS.index("content"))}
    item = SplitExplanationd(0.05)({"image": image, "pred": answer})
    assert item["result"]["typicality"] == pytest.approx(p)
    warnings = list_warnings(item)
    assert len(warnings) == (p < 0.05)
    assert all(each.startswith("unlike the scans") and "by its content:" in each for each in warnings)
