"""Endings of scans, and files that are not what their name says."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from bundle.data import LoadScan
from bundle.data.formats import describe_failure, has_suffix, strip_suffix

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 1\n"
ANNEX = b"/annex/objects/MD5E-s123--a.nii.gz\n"


def test_errors_without_words_have_the_name_of_their_kind() -> None:
    assert "(MemoryError): is it complete?" in describe_failure(Path("a.nii"), MemoryError())


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mgz", "a.nrrd", "a.mnc"])
def test_a_file_of_another_kind_and_an_empty_one_are_named_once(name: str, tmp_path: Path) -> None:
    for content, sentence in (
        (b"no image at all", "cannot be read as .*: it begins as a file of another kind"),
        (b"", "is empty: copy"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"^{tmp_path / name} {sentence}") as caught:
            LoadScan()(tmp_path / name)
        assert str(caught.value).count(str(tmp_path)) == 1 and not str(caught.value).endswith("?")


def test_suffixes_are_taken_off_in_any_case() -> None:
    names = ("a.b.nii.gz", "a.b.NII.GZ", "a.b.Nii", "a.b.MGZ", "a.b.img", "a.b.nrrd")
    assert {strip_suffix(name) for name in names} == {"a.b"} and all(map(has_suffix, names))
    assert strip_suffix("a.tsv") == "a.tsv" and not has_suffix("a.tsv")


def change_header(position: int, *values: bytes) -> Callable[[bytes], bytes]:
    """Return a function that puts bytes into a file."""
    new = b"".join(values)
    return lambda content: content[:position] + new + content[position + len(new) :]


@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2)])
@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("scan.nii", gzip.compress, "is compressed by gzip, and its ending does not say so: let its name end in .nii.gz"),
        ("scan.NII.GZ", bytes, "is not compressed, though its ending says so: let its name end in .nii"),
        ("scan.img", gzip.compress, "is compressed by gzip, and its ending does not say so: unpack it"),
        ("scan.nii.gz", lambda _: LFS, "is a pointer of git-lfs, not the scan itself: fetch it with git lfs pull"),
        (
            "scan.nii",
            lambda _: ANNEX,
            "is a pointer of git-annex, not the scan itself: fetch it with datalad get or git annex get",
        ),
        ("scan.nii.gz", lambda _: b"../.git" + ANNEX, "is a pointer of git-annex"),
        ("scan.mgz", lambda _: b"\n<!DOCTYPE html><html>", "is a page of the web"),
        ("scan.nii.gz", lambda _: b"PK\x03\x04\x14", "is a zip archive: unpack it"),
        ("scan.img.gz", gzip.compress, "is no scan that can be read: accepted are names ending in .*; unpack it$"),
        ("scan.nii.gz", lambda content: gzip.compress(gzip.compress(content)), "is compressed by gzip twice: unpack it once"),
        ("scan.nii", change_header(108, struct.pack("<f", np.nan)), r"has a header that cannot be read as NIfTI \(.*NaN.*anew"),
        ("scan.nii", change_header(70, struct.pack("<h", 999)), r"has a header that cannot be read as NIfTI \(data code 999"),
        (
            "scan.nii",
            change_header(252, struct.pack("<hhfff", 1, 0, 2, 2, 2)),
            r"has a header that cannot be read as NIfTI \(w2 should be positive",
        ),
        ("scan.img", bytes, r"lacks its other half, scan\.hdr: \.img \(voxels\) and \.hdr \(header\) are one scan"),
        ("scan.HDR", bytes, r"lacks its other half, scan\.img"),
        ("scan.nii.zip", bytes, "is no scan that can be read: accepted are names ending in .*; unpack it$"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused_with_the_remedy(
    tmp_path: Path, shape: tuple[int, ...], name: str, change: Callable[[bytes], bytes], sentence: str
) -> None:
    image = nibabel.Nifti1Image(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), np.eye(4))
    (tmp_path / name).write_bytes(change(image.to_bytes()))
    with pytest.raises(ValueError, match=rf"^{tmp_path / name} {sentence}"):
        LoadScan()(tmp_path / name)
