"""Where the voxels of a file lie."""

import re
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tiny_headers import write_header

from bundle.data.headers import pack_fields, place, unpack_fields
from bundle.data.scans import open_scan

OBLIQUE = np.array([[0.0, -2.0, 0.3, 5.0], [1.5, 0.0, 0.0, -7.0], [0.0, 0.4, 2.5, 9.0], [0.0, 0.0, 0.0, 1.0]])


SHIFTED = np.hstack([np.diag([2.0, 2.0, 3.0]), [[0.0], [0.0], [4.0]]]).ravel()
ROUNDED = np.hstack([np.diag([2.0, 2.0, 3.0]), [[0.0], [0.0], [0.3]]]).ravel()
HALVED = np.hstack([np.diag([1.0, 1.0, 1.5]), np.zeros((3, 1))]).ravel()


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        ({}, None),
        ({"srow": ROUNDED}, None),
        ({"qform_code": 0}, None),
        ({"sform_code": 0}, None),
        ({"srow": SHIFTED}, r"sform and qform differ: the sform \(code 1\) .* \(0, 0, 4\); the qform .* \(0, 0, 0\); the sform"),
        ({"srow": HALVED}, r"the sform \(code 1\) has voxels of 1 x 1 x 1.5 mm.*; the qform .* voxels of 2 x 2 x 3 mm"),
        ({"pixdim": [1.0] * 4 + [0] * 4}, "sform and qform differ"),
        ({"quatern": [0, 0, 1]}, "axes RAS.* axes LPS"),
        ({"quatern": [2, 2, 2]}, "sform and qform differ: the sform"),
        ({"pixdim": [1.0] * 4 + [0] * 4, "qform_code": 0}, "pixdim contradicts the sform: pixdim has 1 x 1 x 1 mm, the sform"),
        ({"qform_code": 0, "sform_code": 0}, "no orientation: the header does not say where the scan lies"),
        ({"xyzt_units": 1}, "unit of length: the header says metres, which is ignored"),
    ],
)  # fmt: skip
def test_the_affine_is_nibabels_and_a_doubt_is_a_warning(tmp_path: Path, fields: dict, warning: str | None) -> None:
    path = write_header(tmp_path / "scan.nii", **fields)
    placement = place(open_scan(path), path)
    np.testing.assert_array_equal(placement.affine, nibabel.load(path).affine)
    assert placement.oriented == bool(fields.get("sform_code", 1) or fields.get("qform_code", 1))
    if warning is None:
        assert placement.warnings == []
    else:
        (found,) = placement.warnings
        assert re.search(warning, found), found


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"srow": np.zeros(12)}, r"has the sform \(code 1\) .* has no inverse; the qform \(code 1\) has voxels of 2 x 2 x 3 mm"),
        ({"srow": np.full(12, np.nan)}, "which has no inverse"),
        ({"srow": [1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0]}, "which has no inverse"),
        ({"srow": SHIFTED / 1000}, r"has voxels of 0\.002 x .* accepted are 0\.05 to 20 mm; is its header in metres\?"),
        ({"srow": SHIFTED * 1000}, r"accepted are 0\.05 to 20 mm; is its header in microns\?"),
        ({"srow": SHIFTED / 50}, r"accepted are 0\.05 to 20 mm; is its header in centimetres\?"),
        ({"srow": SHIFTED * 1e9}, r"accepted are 0\.05 to 20 mm$"),
    ],
)  # fmt: skip
def test_an_affine_that_no_scanner_gives_is_refused(tmp_path: Path, fields: dict, sentence: str) -> None:
    path = write_header(tmp_path / "scan.nii", **fields)
    with pytest.raises(ValueError, match=sentence) as caught:
        place(open_scan(path), path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("angle", "doubtful"), [(0.0, False), (0.9, False), (1.1, True), (-30.0, True)])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2)])
def test_axes_off_a_right_angle_are_a_warning_beyond_the_tolerance(
    tmp_path: Path, shape: tuple[int, ...], angle: float, doubtful: bool
) -> None:
    """Of an oblique scan, with edges of 1, 2 and 3 mm, the second axis is brought nearer to the first, in degrees."""
    turned, slanted = np.eye(4), np.diag([1.0, 2.0, 3.0, 1.0])
    turned[:3, :3] = Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix()
    slanted[:2, 1] = 2 * np.sin(np.radians(angle)), 2 * np.cos(np.radians(angle))
    image = nibabel.Nifti1Image(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), None)
    image.set_sform(turned @ slanted, 1)
    nibabel.save(image, tmp_path / "scan.nii")
    opened = open_scan(tmp_path / "scan.nii")
    warnings = place(opened, tmp_path / "scan.nii").warnings
    sentence = f"sheared affine: two axes of the voxels are {abs(angle):g} degrees off"
    assert [warning.split(" a right")[0] for warning in warnings if "sheared" in warning] == [sentence] * doubtful
    assert not any("sheared" in warning for warning in place(opened, tmp_path / "scan.nii", max_shear=31).warnings)


def test_fields_come_out_of_the_metadata_as_they_went_in(tmp_path: Path) -> None:
    path = write_header(tmp_path / "scan.nii", OBLIQUE, qform_code=3)
    fields = place(open_scan(path), path).fields
    again = unpack_fields(pack_fields(fields))
    assert again.keys() == fields.keys() and all(np.array_equal(again[name], fields[name]) for name in fields)
    assert fields["qform_code"] == 3 and fields["srow_x"].tolist() == pytest.approx(OBLIQUE[0].tolist())
    assert unpack_fields({}) == {} and pack_fields({}) == {}
