from pathlib import Path

import nibabel
import numpy as np
import pytest

from bundle.registration import Volume, read_brain
from bundle.registration.volumes import fill_background

AFFINE = np.array([[-2.0, 0, 0, 30], [0, 0, 3.0, -40], [0, 2.5, 0, -20], [0, 0, 0, 1]])


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), affine), path)
    return path


def make_values(shape: tuple[int, ...] = (8, 9, 10)) -> np.ndarray:
    values = np.zeros(shape, dtype=np.float32)
    values[2:6, 2:7] = np.random.default_rng(0).uniform(1, 2, values[2:6, 2:7].shape)
    return values


def test_scan_is_read_with_its_mask_or_its_foreground(tmp_path: Path) -> None:
    values = make_values()
    image, mask = save(tmp_path / "a.nii.gz", values), save(tmp_path / "m.nii.gz", values > 1.5)
    np.testing.assert_array_equal(read_brain(image, mask).brain, values > 1.5)
    volume = read_brain(image)
    np.testing.assert_array_equal(volume.brain, values != 0)
    np.testing.assert_array_equal(volume.values, values)
    np.testing.assert_allclose(volume.affine, AFFINE)


def test_background_takes_the_nearest_intensity_of_the_brain_and_a_scalp_stays() -> None:
    values = make_values()
    values[7, 8, 9] = 5
    volume = Volume(values, AFFINE, (values > 0) & (values < 5))
    filled = fill_background(volume).values
    np.testing.assert_array_equal(filled[volume.brain], values[volume.brain])
    assert filled[7, 8, 9] == 5
    assert filled[0, 4, 4] == values[2, 4, 4]


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    flat, volume = save(tmp_path / "s.nii.gz", make_values((8, 9, 1))), save(tmp_path / "a.nii.gz", make_values())
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.5
    with pytest.raises(ValueError, match=r"s.nii.gz has shape \(8, 9, 1\): accepted are volumes with several voxels"):
        read_brain(flat)
    with pytest.raises(ValueError, match="has sheared voxel axes"):
        read_brain(save(tmp_path / "t.nii.gz", make_values(), sheared))
    with pytest.raises(ValueError, match="m.nii.gz has another grid"):
        read_brain(volume, save(tmp_path / "m.nii.gz", make_values((8, 9, 11))))
    with pytest.raises(ValueError, match="e.nii.gz is an empty mask"):
        read_brain(volume, save(tmp_path / "e.nii.gz", np.zeros((8, 9, 10))))
    with pytest.raises(FileNotFoundError, match="absent.nii.gz does not exist"):
        read_brain(tmp_path / "absent.nii.gz")
