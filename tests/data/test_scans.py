"""Reading one scan."""

import gzip
import os
import struct
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from monai.data import MetaTensor

from bundle.data import CompleteImagesd, LoadScan, LoadScand, check_mask
from bundle.data.scans import read_volume

OBLIQUE = np.array([[0.0, -2.0, 0.0, 5.0], [1.5, 0.0, 0.0, -7.0], [0.0, 0.0, 2.5, 9.0], [0.0, 0.0, 0.0, 1.0]])


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
    with pytest.raises(ValueError, match=r"scan.png is no scan that can be read: accepted are names ending in \.nii, .*, \.nrrd"):
        LoadScan()(tmp_path / "scan.png")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SCAN.NII.GZ", nibabel.Nifti1Image),
        ("two.nii", nibabel.Nifti2Image),
        ("scan.MGZ", nibabel.MGHImage),
        ("scan.mgh", nibabel.MGHImage),
        ("pair.img", nibabel.Nifti1Pair),
        ("pair.hdr", nibabel.Nifti1Pair),
    ],
)
def test_formats_are_read_as_by_nibabel(tmp_path: Path, name: str, kind: type) -> None:
    array = np.random.default_rng(0).random((5, 4, 3), np.float32)
    kind(array, OBLIQUE).to_filename(tmp_path / name.lower())
    (tmp_path / name.lower()).rename(tmp_path / name)
    image = LoadScan(brain=False)(tmp_path / name)
    np.testing.assert_array_equal(image[0].numpy(), array)
    np.testing.assert_allclose(image.affine.numpy(), OBLIQUE, atol=1e-5)
    assert "warnings" not in image.meta


@pytest.mark.parametrize("number", [1, 2])
def test_minc_is_read_where_its_package_is_there_and_refused_in_one_sentence_otherwise(number: int) -> None:
    path = Path(nibabel.__file__).parent / f"tests/data/minc{number}_1_scale.mnc"
    if not path.is_file():
        pytest.skip("nibabel came without its test data")
    if number == 2 and find_spec("h5py") is None:
        with pytest.raises(ValueError, match="is of MINC 2, which needs the package h5py: pip install h5py, or convert"):
            LoadScan()(path)
        return
    image, reference = LoadScan(brain=False)(path), nibabel.load(path)
    np.testing.assert_array_equal(image[0].numpy(), reference.get_fdata(dtype=np.float32))
    np.testing.assert_array_equal(image.affine.numpy(), reference.affine)


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_nrrd_lies_where_itk_puts_it_in_the_world_of_nifti(tmp_path: Path, encoding: str) -> None:
    array = np.random.default_rng(0).integers(0, 900, (5, 4, 3)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(array, OBLIQUE), tmp_path / "scan.nii")
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "scan.nii")), str(tmp_path / "scan.nrrd"), useCompression=encoding == "gzip")
    image = LoadScan(brain=False)(tmp_path / "scan.nrrd")
    np.testing.assert_array_equal(image[0].numpy(), array)
    np.testing.assert_allclose(image.affine.numpy(), OBLIQUE, atol=1e-5)
    assert "warnings" not in image.meta
    content = (tmp_path / "scan.nrrd").read_bytes()
    (tmp_path / "cut.nrrd").write_bytes(content[:-20])
    with pytest.raises(ValueError, match=r"cut\.nrrd cannot be read as NRRD \(.*\): is it complete\?") as caught:
        LoadScan()(tmp_path / "cut.nrrd")
    assert "\n" not in str(caught.value)


def write_nrrd(path: Path, sizes: str, more: str) -> Path:
    """Write a header, with `more` around its sizes, and 24 voxels."""
    head = f"NRRD0004\ntype: short\ndimension: {len(sizes.split())}\n{more.format(f'sizes: {sizes}')}"
    path.write_bytes(f"{head}\nendian: little\nencoding: raw\n\n".encode())
    with path.open("ab") as file:
        file.write(np.arange(24, dtype="<i2").tobytes())
    return path


def test_nrrd_without_a_space_leaves_left_and_right_to_a_guess(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "scan.nrrd", "2 3 4", "{}\nspacings: 1 2 3")
    assert [doubt.split(":")[0] for doubt in LoadScan(brain=False)(path).meta["warnings"]] == ["no orientation"]


SPACE = "space: right-anterior-superior\n{}\nspace directions: (1,0,0) (0,2,0) (0,0,3)"


def test_nrrd_claims_no_memory_and_holds_one_volume(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "claims.nrrd", "30000 30000 30000", SPACE)
    with pytest.raises(ValueError, match=r"has shape \(30000, 30000, 30000\): accepted are at most 1e\+08 voxels"):
        LoadScan()(path)
    path = write_nrrd(tmp_path / "one.nrrd", "2 3 4 1", f"{SPACE} none\nkinds: domain domain domain list")
    image = LoadScan(brain=False)(path)
    np.testing.assert_array_equal(image[0].numpy(), np.arange(24).reshape(4, 3, 2).T)
    np.testing.assert_array_equal(image.affine.numpy(), np.diag([1.0, 2.0, 3.0, 1.0]))


@pytest.mark.parametrize(("shape", "kept"), [((4, 3, 2, 1), 3), ((4, 3, 2, 1, 1), 3), ((4, 3, 1, 1), 3), ((4, 3), 2)])
def test_axes_of_one_voxel_after_the_third_are_dropped(tmp_path: Path, shape: tuple[int, ...], kept: int) -> None:
    array = np.random.default_rng(0).random(shape, np.float32)
    image = LoadScan()(_save(tmp_path / "scan.nii.gz", array, OBLIQUE))
    np.testing.assert_array_equal(image[0].numpy(), array.reshape(shape[:kept]))
    np.testing.assert_allclose(image.affine.numpy(), OBLIQUE, atol=1e-6)


def test_a_claimed_shape_is_compared_with_the_limit_before_anything_is_read(tmp_path: Path) -> None:
    raw = bytearray(nibabel.Nifti1Image(np.ones((2, 2, 2), np.int16), np.eye(4)).to_bytes())
    struct.pack_into("<4h", raw, 40, 3, 30000, 30000, 30000)
    (tmp_path / "claims.nii.gz").write_bytes(gzip.compress(bytes(raw)))
    for load in (LoadScan(), LoadScan(constant=True)):
        with pytest.raises(ValueError, match=r"claims\.nii\.gz has shape \(30000, 30000, 30000\): accepted are at most 1e"):
            load(tmp_path / "claims.nii.gz")
    path = _save(tmp_path / "scan.nii", np.arange(24.0).reshape(4, 3, 2))
    assert LoadScan(max_voxels=24)(path).shape == (1, 4, 3, 2)
    with pytest.raises(ValueError, match="accepted are at most 23 voxels"):
        LoadScand("image", max_voxels=23)({"image": path})
    with pytest.raises(ValueError, match="accepted are at most 23 voxels"):
        read_volume(path, max_voxels=23)
    with pytest.raises(ValueError, match="max_voxels must be at least 1, got -1"):
        LoadScan(max_voxels=-1)


def test_more_or_less_content_than_the_header_says_is_refused(tmp_path: Path) -> None:
    raw = nibabel.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.eye(4)).to_bytes()
    for name, content in {"more": raw + bytes(5 << 20), "less": raw[:-4]}.items():
        (tmp_path / f"{name}.nii.gz").write_bytes(gzip.compress(content))
        with pytest.raises(ValueError, match=rf"{name}\.nii\.gz cannot be read as NIfTI \(its header says 368 bytes, it holds"):
            LoadScan()(tmp_path / f"{name}.nii.gz")


def test_values_beyond_single_precision_are_refused(tmp_path: Path) -> None:
    path = _save(tmp_path / "huge.nii", np.arange(8.0).reshape(2, 2, 2) * 1e39)
    with pytest.raises(ValueError, match=r"huge\.nii holds values up to 7e\+39: accepted are at most 3\.4e38"):
        LoadScan()(path)


def test_doubts_about_a_scan_are_in_its_metadata_and_not_those_of_masks_and_heads(tmp_path: Path) -> None:
    path = _save(tmp_path / "scan.nii", 1 + np.random.default_rng(0).random((5, 4, 3)))
    assert LoadScan()(path).meta["warnings"][0].startswith("background is not zero")
    for load in (LoadScan(constant=True), LoadScan(brain=False), LoadScand("image", check_brains=False)):
        image = load({"image": path})["image"] if isinstance(load, LoadScand) else load(path)
        assert "warnings" not in image.meta


def test_a_pipe_with_the_name_of_a_scan_is_named_as_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "scan.nii.gz")
    (tmp_path / "folder.nii.gz").mkdir()
    for name in ("scan", "folder"):
        with pytest.raises(FileNotFoundError, match=rf"{name}\.nii\.gz is no file but a folder, pipe, socket or device: give"):
            LoadScan()(tmp_path / f"{name}.nii.gz")


def test_a_background_of_nan_is_refused_with_the_remedy(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.float32([[np.nan, 1.0], [2.0, 3.0]]), np.eye(4)), tmp_path / "scan.nii")
    with pytest.raises(ValueError, match="holds 1 NaN or infinite values: .* so set those of the background to 0"):
        LoadScan()(tmp_path / "scan.nii")


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
