"""Formats of scans: the endings of their names, and what is wrong with a file that cannot be read."""

import gzip
import re
import zlib
from pathlib import Path

from nibabel.spatialimages import HeaderDataError

FORMATS = {  # of a scan, by the ending of its name, in any case; .img and .hdr are one scan
    ".nii": "NIfTI", ".nii.gz": "NIfTI", ".mgz": "MGH", ".mgh": "MGH", ".img": "NIfTI or Analyze", ".hdr": "NIfTI or Analyze",
    ".mnc": "MINC", ".nrrd": "NRRD",
}  # fmt: skip
SUFFIXES = tuple(FORMATS)
COMPRESSED = (".gz", ".mgz")
BLOCK = 1 << 22  # bytes
MISTAKES = (  # what a file may be instead of a scan, by its first bytes, and what to do
    (rb"version https://git-lfs", "is a pointer of git-lfs, not the scan itself: fetch it with git lfs pull"),
    (rb"\S*annex/objects/", "is a pointer of git-annex, not the scan itself: fetch it with datalad get or git annex get"),
    (rb"PK\x03\x04", "is a zip archive: unpack it"),
    (rb"\s*<", "is a page of the web, not a scan: download it anew"),
)
FOREIGN = ("Cannot work out file type", "Not a gzipped file", "magic or beginning")  # of nibabel, gzip and NRRD's library
HEADER_SIZES = (348, 540)  # bytes, the first number of NIfTI and Analyze
GZIP = b"\x1f\x8b"  # first bytes of what it has compressed
HALVES = {".img": ".hdr", ".hdr": ".img"}  # of one scan
PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst")


def has_suffix(name: str | Path) -> bool:
    """Return whether a name or path ends like a file of a scan, in lower or upper case."""
    return find_suffix(name) != ""


def strip_suffix(name: str) -> str:
    """Return the name or path of a scan without its suffix, in lower or upper case; another name as it is."""
    return name[: len(name) - len(find_suffix(name))]


def find_suffix(name: str | Path) -> str:
    """Return the longest suffix of a scan that a name or path ends in, in lower case; empty when there is none."""
    return max((suffix for suffix in SUFFIXES if str(name).lower().endswith(suffix)), key=len, default="")


def find_damage(path: Path) -> Exception | None:
    """Return why the first block of a compressed file cannot be unpacked, which nibabel does not say; None when it can.

    Args:
        path: File of a scan; one that is not compressed is not opened.
    """
    try:
        if path.name.lower().endswith(COMPRESSED):
            with gzip.open(path) as file:
                file.read(BLOCK)
    except Exception as error:
        return error
    return None


def describe_failure(path: Path, error: Exception, header: bool = False) -> str:
    """Return a sentence on a file that could not be read.

    Args:
        path: File with an ending of `SUFFIXES`.
        error: What reading it raised.
        header: Whether the header was read, and not the voxels.

    Returns:
        What the file is and what to do, where its first bytes tell; else the reason.
    """
    suffix = find_suffix(path)
    if isinstance(error, ImportError) and suffix == ".mnc":
        return f"{path} is of MINC 2, which needs the package h5py: pip install h5py, or convert the file to NIfTI (mnc2nii)"
    if mistake := _recognise(path):
        return f"{path} {mistake}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    reason = lines[-1] if suffix == ".nrrd" else lines[0]  # SimpleITK begins with its own source code
    if header and isinstance(error, HeaderDataError | ValueError | OverflowError):
        return f"{path} has a header that cannot be read as {FORMATS[suffix]} ({reason}): write the scan anew from its source"
    if any(sign in reason for sign in FOREIGN):
        return f"{path} cannot be read as {FORMATS[suffix]}: it begins as a file of another kind"
    return f"{path} cannot be read as {FORMATS[suffix]} ({reason.replace(str(path), 'the file')}): is it complete?"


def _recognise(path: Path) -> str | None:
    """Return what a file is that is not what its ending says, and what to do; None when that is not known."""
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError:
        return None
    if not start:
        return "is empty: copy it anew"
    is_packed, ends_packed = start.startswith(GZIP), path.name.lower().endswith(COMPRESSED)
    if is_packed and not ends_packed:
        remedy = "let its name end in .nii.gz" if find_suffix(path) == ".nii" else "unpack it"
        return f"is compressed by gzip, and its ending does not say so: {remedy}"
    if is_packed and _is_packed_twice(path):
        return "is compressed by gzip twice: unpack it once (gunzip), and let its name end as before"
    if ends_packed and {int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")} & set(HEADER_SIZES):
        return "is not compressed, though its ending says so: let its name end in .nii"
    if other := HALVES.get(find_suffix(path)):
        names = [path.with_suffix(ending) for ending in (other, other.upper())]
        if not any(name.exists() for name in names):
            return f"lacks its other half, {names[0].name}: .img (voxels) and .hdr (header) are one scan"
    return next((sentence for pattern, sentence in MISTAKES if re.match(pattern, start)), None)


def _is_packed_twice(path: Path) -> bool:
    """Check whether what a compressed file holds is compressed itself."""
    try:
        with gzip.open(path) as file:
            return file.read(len(GZIP)) == GZIP
    except (OSError, EOFError, zlib.error):
        return False
