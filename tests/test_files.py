"""Files are complete or absent."""

import errno
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from bundle.files import (
    announce,
    check_writable,
    escape_name,
    make_nifti,
    remove_leftovers,
    unescape_name,
    write_atomically,
    write_nifti,
    write_table,
)


def test_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "new" / "scan.nii.gz"
    with write_atomically(target) as temporary:
        temporary.write_text("complete")
        assert temporary.parent == target.parent and temporary.name.endswith(".nii.gz")
        assert not target.exists()
    assert target.read_text() == "complete"
    assert list(target.parent.iterdir()) == [target]


def test_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "table.tsv"
    target.write_text("old")
    with pytest.raises(OSError, match="No space left"), write_atomically(target) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_can_be_written_to_is_made_and_left_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "output")
    assert list((tmp_path / "new" / "output").iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in ("file", "file/output"):
        with pytest.raises(OSError, match=f"{folder} cannot be written to .*: give another output_dir"):
            check_writable(tmp_path / folder)


def test_table_has_tabs_and_n_a_for_missing_values(tmp_path: Path) -> None:
    write_table(tmp_path / "table.tsv", pd.DataFrame({"name": ["a", None], "age": [70.123456, None]}), float_format="%.3g")
    assert (tmp_path / "table.tsv").read_text() == "name\tage\na\t70.1\nn/a\tn/a\n"


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_nifti_keeps_voxels_dtype_and_affine_in_the_same_bytes(tmp_path: Path, dtype: type) -> None:
    voxels = np.arange(24).reshape(4, 6, 1).astype(dtype)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-95, -129, 14.5]
    for name in ("first", "second"):
        write_nifti(tmp_path / f"{name}.nii.gz", voxels, affine)
    image = nibabel.nifti1.load(tmp_path / "first.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), voxels)
    np.testing.assert_allclose(image.affine, affine)
    assert image.get_data_dtype() == dtype
    assert (tmp_path / "first.nii.gz").read_bytes() == (tmp_path / "second.nii.gz").read_bytes()


def test_fields_of_another_header_give_its_forms_and_codes_where_they_give_the_affine() -> None:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    fields = {
        "pixdim": np.array([1.0, 2, 2, 2]),
        "sform_code": np.zeros(1),
        "qform_code": np.full(1, 3.0),
        "qoffset_x": np.zeros(1),
    }
    kept, ignored = make_nifti(np.ones((4, 6, 1)), affine, fields), make_nifti(np.ones((4, 6, 1)), affine * 2, fields)
    assert [kept.get_sform(coded=True)[1], kept.get_qform(coded=True)[1]] == [0, 3]
    np.testing.assert_array_equal(kept.affine, affine)
    np.testing.assert_array_equal(ignored.affine, affine * 2)
    assert [ignored.get_sform(coded=True)[1], ignored.get_qform(coded=True)[1]] == [2, 0]


@pytest.mark.parametrize("name", ["M\udcfcller", "Müller", "plain", r"back\\xfcslash", "\udcff\udc80 a"])
def test_the_name_of_a_file_is_found_by_its_escaped_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    text = escape_name(str(tmp_path / name))
    text.encode("utf-8")
    assert unescape_name(text) == str(tmp_path / name)


def test_an_escaped_name_without_a_file_stays_as_it_is(tmp_path: Path) -> None:
    assert unescape_name(str(tmp_path / r"M\xfcller")) == str(tmp_path / r"M\xfcller")


def test_leftovers_of_our_files_are_removed_and_no_others(tmp_path: Path) -> None:
    names = ("a.nii.gz", ".partial-12-a.nii.gz", ".partial-345-a.nii.gz", ".partial-12-other.nii.gz", ".partial-12-b-a.nii.gz")
    for name in names:
        (tmp_path / name).touch()
    remove_leftovers([tmp_path / "a.nii.gz", tmp_path / "absent" / "a.nii.gz"])
    assert {path.name for path in tmp_path.iterdir()} == {names[0], names[3], names[4]}


def test_the_end_of_a_command_names_the_files_that_are_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("table.csv", "sub/a_map.nii.gz", "sub/b_map.nii.gz", "sub/a_map_steps.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    announce(tmp_path, {"table.csv": "rows", "none.csv": "no", "**/*_map.nii.gz or **/*-map_*.nii.gz": "maps"})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:]] == [["table.csv", "rows"], ["*_map.nii.gz", "maps", "(2", "files)"]]
