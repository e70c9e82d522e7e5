"""Headers: where the voxels of a file lie in the world, and what is doubtful about it.

A NIfTI header can say it in two forms beside its voxel sizes (pixdim). The one that counts is the one that nibabel takes, for
scans, masks and maps alike: the sform where its code is above 0, else the qform where its code is above 0, else a guess from
the voxel sizes. The voxel sizes alone never count against a form. FSLeyes, ITK-SNAP and nilearn then show a map on its scan.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from nibabel.affines import voxel_sizes
from nibabel.analyze import AnalyzeImage
from nibabel.freesurfer.mghformat import MGHImage
from nibabel.nifti1 import Nifti1Header
from nibabel.orientations import aff2axcodes
from nibabel.spatialimages import SpatialImage
from torch import Tensor

VOXEL_RANGE = (0.05, 20.0)  # mm, edge of a voxel
FACTORS = {"metres": 1000.0, "centimetres": 10.0, "microns": 0.001}  # to mm, in the order in which they are suggested
UNITS = {1: "metres", 3: "microns"}  # codes of xyzt_units
MIN_DETERMINANT = 1e-3  # of the directions of the voxel axes; less is no volume
MAX_DISPLACEMENT = 0.5  # voxels, of a corner of the image, by which two forms may differ
MAX_SIZE_DIFFERENCE = 0.01  # of a voxel's edge
MAX_SHEAR = 1.0  # degrees, by which two axes of the voxels may be off a right angle
NO_ORIENTATION = (
    "no orientation: the header does not say where the scan lies, so that left and right, and the height of a slice, are a guess"
)
GOOD_RAS = 28  # byte of an MGH header where a number says whether there is an orientation
FIELDS = {  # of a NIfTI header, from which its affine is computed, and how many numbers each has
    "pixdim": 4, "qform_code": 1, "sform_code": 1, "xyzt_units": 1, "quatern_b": 1, "quatern_c": 1, "quatern_d": 1,
    "qoffset_x": 1, "qoffset_y": 1, "qoffset_z": 1, "srow_x": 4, "srow_y": 4, "srow_z": 4,
}  # fmt: skip
FIELDS_KEY = "nifti_fields"  # key of an image's metadata: these numbers in one tensor
WARNINGS_KEY = "warnings"  # key of an image's metadata: sentences on what is doubtful; absent when nothing is


class Placement(NamedTuple):
    """Where the voxels of an image lie.

    Attributes:
        affine: voxel to world matrix in mm (RAS), shape (4, 4).
        fields: fields of the NIfTI header, by which a map gets the same forms and codes; empty for other formats.
        oriented: whether the header says where left and right are.
        warnings: sentences on what is doubtful.
    """

    affine: np.ndarray
    fields: dict[str, np.ndarray]
    oriented: bool
    warnings: list[str]


class Form(NamedTuple):
    """One of the two ways in which a NIfTI header places an image."""

    name: str
    code: int
    affine: np.ndarray

    def describe(self) -> str:
        """Return the form in words."""
        return f"the {self.name} (code {self.code}) has {describe_affine(self.affine)}"


def place(image: SpatialImage, path: str | Path, max_shear: float = MAX_SHEAR) -> Placement:
    """Return where an image lies, as nibabel reads it.

    Args:
        image: Image of any format.
        path: Its file, for messages.
        max_shear: Degrees by which two axes of the voxels may be off a right angle without a warning.

    Raises:
        ValueError: When its affine has no inverse, or voxels of a size that no scanner has.
    """
    affine = np.asarray(image.affine, dtype=np.float64)
    header: Any = image.header
    forms = _read_forms(header) if isinstance(header, Nifti1Header) else []
    _check_affine(affine, forms, path, header)
    sheared = _doubt_shear(affine, max_shear)
    if not isinstance(header, Nifti1Header):
        oriented = _is_oriented(image)
        return Placement(affine, {}, oriented, [*sheared, *([] if oriented else [NO_ORIENTATION])])
    fields = {name: np.array(header[name], dtype=np.float64).reshape(-1)[:count] for name, count in FIELDS.items()}
    unit = int(header["xyzt_units"]) & 0x07
    fields["xyzt_units"] = np.array([unit or 2.0])  # mm where nothing is said
    return Placement(affine, fields, bool(forms), [*sheared, *_find_doubts(forms, header, image.shape)])


def describe_affine(affine: np.ndarray) -> str:
    """Return voxel sizes, directions and offset of a voxel to world matrix in words."""
    sizes = " x ".join(f"{size:.4g}" for size in voxel_sizes(affine))
    axes = "".join(code or "?" for code in aff2axcodes(affine)) if np.isfinite(affine).all() else "???"
    return f"voxels of {sizes} mm, axes {axes}, the first one at ({', '.join(f'{value:.4g}' for value in affine[:3, 3])})"


def pack_fields(fields: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Return the fields of a placement as an entry of an image's metadata, a single tensor, which batches can hold."""
    return {FIELDS_KEY: torch.from_numpy(np.concatenate([fields[name] for name in FIELDS]))} if fields else {}


def unpack_fields(meta: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the fields that `pack_fields` put into the metadata of an image; empty where there are none."""
    if FIELDS_KEY not in meta:
        return {}
    parts = np.split(np.asarray(meta[FIELDS_KEY]), np.cumsum(list(FIELDS.values()))[:-1])
    return dict(zip(FIELDS, parts, strict=True))


def _read_forms(header: Any) -> list[Form]:
    """Return the forms of a NIfTI header that have a code, the one that counts first."""
    forms = []
    for name, read in (("sform", header.get_sform), ("qform", header.get_qform)):
        if code := int(header[f"{name}_code"]):
            try:
                forms.append(Form(name, code, np.asarray(read(), dtype=np.float64)))
            except Exception:  # a quaternion that is none
                forms.append(Form(name, code, np.full((4, 4), np.nan)))
    return forms


def _doubt_shear(affine: np.ndarray, max_shear: float) -> list[str]:
    """Return the doubt about an affine whose voxel axes are not at right angles, if it is one."""
    directions = affine[:3, :3] / voxel_sizes(affine)
    angle = float(np.degrees(np.arcsin(np.abs(np.triu(directions.T @ directions, 1)).max())))
    if angle <= max_shear:
        return []
    return [
        f"sheared affine: two axes of the voxels are {angle:.3g} degrees off a right angle, as no scanner writes them; is it the"
        " matrix of a registration to something else?"
    ]


def _find_doubts(forms: list[Form], header: Any, shape: tuple[int, ...]) -> list[str]:
    """Return what is doubtful about the forms of a NIfTI header."""
    doubts = []
    unit = UNITS.get(int(header["xyzt_units"]) & 0x07)
    if unit:
        doubts.append(f"unit of length: the header says {unit}, which is ignored; its numbers are read as mm")
    if not forms:
        return [*doubts, NO_ORIENTATION]
    taken = f"the {forms[0].name} is taken, as by nibabel"
    pixdim = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    sizes, axes = voxel_sizes(forms[0].affine), slice(0, min(len(shape), 3))
    if len(forms) == 2 and not _agree(forms[0].affine, forms[1].affine, shape):
        doubts.append(f"sform and qform differ: {forms[0].describe()}; {forms[1].describe()}; {taken}")
    elif not np.allclose(sizes[axes], pixdim[axes], rtol=MAX_SIZE_DIFFERENCE):
        told = " x ".join(f"{size:.4g}" for size in pixdim)
        doubts.append(f"pixdim contradicts the {forms[0].name}: pixdim has {told} mm, {forms[0].describe()}; {taken}")
    return doubts


def _agree(first: np.ndarray, second: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Return whether two affines bring the corners of an image to the same places."""
    ends = np.array((*shape, 1, 1)[:3]) - 0.5
    corners = np.stack(np.meshgrid(*([-0.5, end] for end in ends), [1.0], indexing="ij")).reshape(4, -1)
    distance = np.linalg.norm(((first - second) @ corners)[:3], axis=0).max()
    return bool(distance <= MAX_DISPLACEMENT * voxel_sizes(first).min())


def _is_oriented(image: Any) -> bool:
    """Return whether an image of another format than NIfTI says where left and right are."""
    if isinstance(image, MGHImage):
        with image.file_map["image"].get_prepare_fileobj("rb") as file:
            return any(file.read(GOOD_RAS + 2)[GOOD_RAS:])
    if isinstance(image, AnalyzeImage):  # only a .mat file beside it says so
        return not np.allclose(image.affine, image.header.get_best_affine())
    return bool(image.extra.get("oriented", True))


def _check_affine(affine: np.ndarray, forms: list[Form], path: str | Path, header: Any) -> None:
    """Refuse an affine that has no inverse, or voxels of a size that no scanner has."""
    low, high = VOXEL_RANGE
    others = "".join(f"; {form.describe()}" for form in forms[1:])
    finite = affine.shape == (4, 4) and bool(np.isfinite(affine).all())
    spacing = voxel_sizes(affine) if finite else np.zeros(3)
    if not finite or not spacing.all() or abs(np.linalg.det(affine[:3, :3] / spacing)) < MIN_DETERMINANT:
        name = f"{forms[0].name} (code {forms[0].code})" if forms else "affine"
        raise ValueError(
            f"{path} has the {name} {affine.tolist()}, which has no inverse{others}: accepted is an invertible 4x4 matrix in mm"
        )
    if spacing.min() < low or spacing.max() > high:
        fits = [unit for unit, factor in FACTORS.items() if low <= (spacing * factor).min() and (spacing * factor).max() <= high]
        named = UNITS.get(int(header["xyzt_units"]) & 0x07) if isinstance(header, Nifti1Header) else None
        hint = f"; is its header in {named or fits[0]}?" if named or fits else ""
        raise ValueError(
            f"{path} has voxels of {' x '.join(f'{size:g}' for size in spacing)} mm{others}: accepted are {low:g} to {high:g} mm"
            f"{hint}"
        )
