"""Reading one scan."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from bundle.data import CompleteImagesd, LoadScan, LoadScand, check_mask


def _save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
    return path


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (6, 5, 4)])
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_scan_keeps_shape_values_and_affine(tmp_path: Path, shape: tuple[int, ...], suffix: str) -> None:
    array, affine = np.random.default_rng(0).random(shape, np.float32), np.diag([2.0, 3.0, 4.0, 1.0])
    image = LoadScan()(_save(tmp_path / f"scan.{suffix}", array, affine))
    assert image.shape == (1, *shape)
    np.testing.assert_array_equal(image[0].numpy(), array)
    np.testing.assert_array_equal(image.affine.numpy(), affine)
    assert image.meta["filename_or_obj"] == str(tmp_path / f"scan.{suffix}")
    assert image.meta["spatial_shape"].tolist() == list(shape)  # viewers restore by it


def test_integers_become_floats(tmp_path: Path) -> None:
    image = LoadScan()(_save(tmp_path / "scan.nii", np.arange(8, dtype=np.int16).reshape(2, 2, 2)))
    assert image.dtype.is_floating_point
    assert image.max() == 7


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones((4, 4, 4, 2)), r"has shape \(4, 4, 4, 2\): accepted is one scan"),
        (np.ones(4), "has shape"),
        (np.array([[1.0, np.nan], [2.0, np.inf]]), "holds 2 NaN or infinite values"),
        (np.full((3, 3), 7.0), "is constant \\(all voxels are 7\\)"),
        (np.array([[1j, 2j], [0j, 1j]]), "holds values of type complex"),
    ],
)
def test_what_is_no_scan_is_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    path = _save(tmp_path / "scan.nii.gz", array)
    with pytest.raises(ValueError, match=message) as caught:
        LoadScan()(path)
    assert str(caught.value).startswith(str(path))


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "scan.nii.gz", np.random.default_rng(0).random((20, 20, 20)))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"scan\.nii\.gz cannot be read as NIfTI"):
        LoadScan()(path)
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"scan\.nii\.gz cannot be read as NIfTI"):
        LoadScan()(path)


def test_absent_or_other_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.nii does not exist"):
        LoadScan()(tmp_path / "none.nii")
    (tmp_path / "scan.png").touch()
    with pytest.raises(ValueError, match=r"scan.png is no scan that can be read: accepted are names ending in \.nii, \.nii\.gz, .*, \.nrrd"):
        LoadScan()(tmp_path / "scan.png")


def test_empty_mask_can_be_read_but_is_found(tmp_path: Path) -> None:
    mask = LoadScan(constant=True)(_save(tmp_path / "mask.nii", np.zeros((3, 3, 3), np.uint8)))
    with pytest.raises(ValueError, match=r"mask\.nii is an empty mask"):
        check_mask(mask, "mask.nii")
    check_mask(mask + 1, "mask.nii")


def test_keys_may_be_absent(tmp_path: Path) -> None:
    path = _save(tmp_path / "scan.nii", np.eye(4))
    item = LoadScand(["image", "mask"], allow_missing_keys=True)({"image": str(path), "label": 1})
    assert item["image"].shape == (1, 4, 4)
    assert item["label"] == 1
    with pytest.raises(KeyError):
        LoadScand(["image", "mask"])({"image": str(path)})
    with pytest.raises(ValueError, match="length 1, got 2"):
        LoadScand("image", constant=[True, False])


def test_voxels_of_a_size_that_no_scanner_has_are_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.random.rand(8, 8, 1), np.diag([0.002, 0.002, 0.002, 1.0])), tmp_path / "metres.nii")
    with pytest.raises(ValueError, match=r"metres\.nii has voxels of 0\.002 .* accepted are 0\.05 to 20 mm"):
        LoadScan()(tmp_path / "metres.nii")


def test_controls_get_an_empty_mask_and_others_need_one_that_is_not() -> None:
    image = MetaTensor(torch.rand(1, 4, 4))
    assert CompleteImagesd(["mask"])({"image": image, "label": 0})["mask"].sum() == 0
    mask = MetaTensor(torch.zeros(1, 4, 4), meta={"filename_or_obj": "mask.nii"})
    with pytest.raises(ValueError, match=r"mask\.nii is an empty mask"):
        CompleteImagesd(["mask"])({"image": image, "label": 1, "mask": mask})


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 4, 4, 4)])
def test_images_that_others_have_are_zero_where_they_are_absent(shape: tuple[int, ...]) -> None:
    image, change = torch.ones(shape), torch.full(shape, 3.0)
    item = CompleteImagesd(["disease_map", "parcel_map"])({"image": image, "disease_map": change})
    assert item["disease_map"].equal(change) and item["parcel_map"].equal(torch.zeros(shape))
    assert CompleteImagesd([])({"image": image}).keys() == {"image"}


def test_a_file_whose_checksum_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "scan.nii.gz", np.random.default_rng(0).random((6, 5, 4), np.float32))
    content = bytearray(path.read_bytes())
    content[-8] ^= 1  # of the checksum
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"scan\.nii\.gz cannot be read as NIfTI \(CRC check failed.*\): is it complete\?"):
        LoadScan()(path)
