"""Reading maps on one grid."""

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bundle.group import Cohort, MapReader


def test_values_are_those_of_the_mask_in_the_order_of_the_grid(results: Path, maps: list[np.ndarray]) -> None:
    stack = MapReader().read(Cohort(results).read())
    assert not stack.mask[0].any() and stack.mask[1:].all()
    np.testing.assert_allclose(stack.values, np.stack(maps)[:, stack.mask], atol=1e-6)
    np.testing.assert_array_equal(np.asarray(stack.make_image(stack.values[3]).dataobj)[stack.mask], stack.values[3])


def test_a_mask_from_a_file_is_taken(results: Path, maps: list[np.ndarray], tmp_path: Path) -> None:
    mask = np.zeros(maps[0].shape, np.uint8)
    mask[2:5, 3] = 1
    nibabel.save(nibabel.Nifti1Image(mask, nibabel.load(results / "sub-00_fa_mean.nii.gz").affine), tmp_path / "mask.nii.gz")
    stack = MapReader(mask=tmp_path / "mask.nii.gz").read(Cohort(results).read())
    np.testing.assert_array_equal(stack.mask, mask > 0)


def test_maps_are_smoothed_within_the_axes_that_they_have(results: Path, maps: list[np.ndarray]) -> None:
    stack = MapReader(smoothing_fwhm=4.0).read(Cohort(results).read())
    sigma = 4.0 / np.sqrt(8 * np.log(2)) / 2  # voxels of 2 mm
    known = gaussian_filter(maps[0], [sigma * (size > 1) for size in maps[0].shape], mode="reflect")
    np.testing.assert_allclose(stack.values[0], known[stack.mask], atol=1e-5)


@pytest.mark.parametrize("change", ["shape", "affine"])
def test_scans_on_several_grids_are_refused_with_the_first_that_differs(
    write_group: Callable[..., Path], maps: list[np.ndarray], change: str
) -> None:
    results = write_group(maps[:4], [(0, 1)] * 4)
    path = results / "sub-02_fa_mean.nii.gz"
    image = nibabel.load(path)
    values, affine = np.asarray(image.dataobj), image.affine.copy()
    if change == "affine":
        affine[0, 3] += 1
    nibabel.save(nibabel.Nifti1Image(values[1:] if change == "shape" else values, affine), path)
    message = "sub-02 has the shape" if change == "shape" else "sub-02 lies elsewhere than sub-00, by up to 1 mm"
    with pytest.raises(ValueError, match=message):
        MapReader().read(Cohort(results).read())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"smoothing_fwhm": -1}, "smoothing_fwhm must be 0 mm or more"),
        ({"foreground_share": 0}, "foreground_share must be above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MapReader(**settings)
