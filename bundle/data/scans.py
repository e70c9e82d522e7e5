"""Reading one scan."""

import gzip
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import ensure_tuple_rep
from nibabel.spatialimages import SpatialImage
from torch import Tensor

from bundle.data.formats import BLOCK, COMPRESSED, PACKED, SUFFIXES, describe_failure, find_damage, has_suffix
from bundle.data.headers import MAX_SHEAR, WARNINGS_KEY, Placement, pack_fields, place
from bundle.data.nrrd import open_nrrd
from bundle.data.plausibility import find_doubts

MAX_VOXELS = 1e8  # of a scan; larger ones are refused by their header, before anything is unpacked


class LoadScan(Transform):
    """Read a scan of any format, and refuse a file that holds none in one sentence.

    Where it lies is what nibabel says, see `bundle.data.headers`. What is doubtful, about that or about a scan that does not look
    like a brain without skull, stands in the metadata under `warnings`.

    Args:
        constant: whether all voxels may be equal, as in an empty mask.
        brain: whether a brain without skull with background zero is expected; masks and whole heads are none.
        max_voxels: voxels above which a file is refused by its header.
        max_shear: degrees by which two axes of the voxels may be off a right angle without a warning.

    Raises:
        FileNotFoundError: On a file that does not exist.
        ValueError: On one that is no image, not a single scan, too large, or whose intensities are not finite or all equal; on
            `max_voxels` below 1.
    """

    def __init__(
        self, constant: bool = False, brain: bool | None = None, max_voxels: float = MAX_VOXELS, max_shear: float = MAX_SHEAR
    ) -> None:
        if not max_voxels >= 1:
            raise ValueError(f"max_voxels must be at least 1, got {max_voxels}")
        self.constant, self.max_voxels, self.max_shear = constant, max_voxels, max_shear
        self.brain = not constant if brain is None else brain

    def __call__(self, path: str | Path) -> MetaTensor:
        """Return the image of a file of shape (H, W), (H, W, 1) or (H, W, D): shape (1, H, W[, D]), float32, with metadata.

        Further axes of one voxel are dropped.
        """
        image = open_scan(path, self.max_voxels)
        placement = place(image, path, self.max_shear)
        array = _read_intensities(image, path, self.constant)
        warnings = placement.warnings + (find_doubts(array, placement.affine) if self.brain else [])
        meta = {
            "filename_or_obj": str(path),
            "original_affine": torch.from_numpy(placement.affine.copy()),
            "original_channel_dim": "no_channel",
            "spatial_shape": np.array(array.shape),
            "space": "RAS",
            **pack_fields(placement.fields),
            **({WARNINGS_KEY: warnings} if warnings else {}),
        }
        return MetaTensor(torch.from_numpy(array[None]), affine=torch.from_numpy(placement.affine), meta=meta)


class StoredVolume(NamedTuple):
    """A volume as it is in its file.

    Attributes:
        values: intensities, shape (X, Y, Z), float32.
        placement: where it lies, with what is doubtful about it.
    """

    values: np.ndarray
    placement: Placement

    @property
    def affine(self) -> np.ndarray:
        """Voxel to world matrix in mm (RAS), shape (4, 4)."""
        return self.placement.affine


def read_volume(path: str | Path, max_voxels: float = MAX_VOXELS) -> StoredVolume:
    """Read a scan of three dimensions.

    Args:
        path: File of shape (X, Y, Z); further axes of one voxel are dropped.
        max_voxels: Voxels above which it is refused by its header.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it holds no volume.
    """
    image = open_scan(path, max_voxels)
    if len(shape := shape_of(image)) != 3:
        raise ValueError(f"{path} has shape {shape}: only volumes of shape (X, Y, Z) are accepted here")
    placement = place(image, path)
    return StoredVolume(_read_intensities(image, path, constant=False), placement)


def open_scan(path: str | Path, max_voxels: float = MAX_VOXELS) -> SpatialImage:
    """Read the header of a scan; its voxels are read when an array is made of them.

    Args:
        path: File with an ending of `SUFFIXES`.
        max_voxels: Voxels above which it is refused.

    Returns:
        An image of nibabel, whatever the format.

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it is no image of one scan of real numbers, or too large.
    """
    path = Path(path)
    if not path.is_file():
        found = "is no file but a folder, pipe, socket or device" if path.exists() else "does not exist"
        raise FileNotFoundError(f"{path} {found}: give the file of a scan")
    if not has_suffix(path):
        hint = "; unpack it" if path.suffix.lower() in PACKED else ""
        raise ValueError(f"{path} is no scan that can be read: accepted are names ending in {', '.join(SUFFIXES)}{hint}")
    try:
        image: Any = open_nrrd(path) if path.name.lower().endswith(".nrrd") else nibabel.load(path)
    except Exception as error:  # nibabel, gzip, zlib, NumPy and SimpleITK each raise their own
        raise ValueError(describe_failure(path, find_damage(path) or error, header=True)) from error
    if not isinstance(image, SpatialImage) or image.affine is None:
        raise ValueError(f"{path} holds no image of voxels ({type(image).__name__}): accepted is a scan")
    shape = shape_of(image)
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(f"{path} has shape {shape}: accepted is one scan of shape (H, W), (H, W, 1) or (H, W, D)")
    if np.prod(shape, dtype=float) > max_voxels:
        raise ValueError(f"{path} has shape {shape}: accepted are at most {max_voxels:g} voxels (max_voxels)")
    kind = np.dtype(image.get_data_dtype())
    if not np.issubdtype(kind, np.number) or np.issubdtype(kind, np.complexfloating):
        raise ValueError(f"{path} holds values of type {kind}: accepted are real numbers")
    return image


def shape_of(image: SpatialImage) -> tuple[int, ...]:
    """Return the voxels of an image along each axis, without axes of one voxel after the third."""
    shape = tuple(int(size) for size in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _read_intensities(image: SpatialImage, path: str | Path, constant: bool) -> np.ndarray:
    """Return the intensities of an image, single precision, finite and with contrast."""
    try:
        if str(path).lower().endswith(COMPRESSED):
            _check_compressed(image, path)
        stored = np.asarray(image.dataobj).reshape(shape_of(image))
    except Exception as error:
        raise ValueError(describe_failure(Path(path), error)) from error
    with np.errstate(over="ignore", invalid="ignore"):
        array = stored.astype(np.float32)
    if not np.isfinite(array).all():
        if np.isfinite(stored).all():
            raise ValueError(f"{path} holds values up to {np.abs(stored).max():.3g}: accepted are at most 3.4e38 (32 bits)")
        count = np.count_nonzero(~np.isfinite(array))
        raise ValueError(
            f"{path} holds {count} NaN or infinite values: accepted are finite ones, so set those of the background to 0"
        )
    if not constant and array.min() == array.max():
        raise ValueError(f"{path} is constant (all voxels are {array.flat[0]:g}): accepted is a scan with contrast")
    return array


def _check_compressed(image: Any, path: str | Path) -> None:
    """Unpack a file to its checksum, which comes last and which nibabel does not reach, in little memory.

    Raises:
        ValueError: When the file holds less or more than its header says.
    """
    claimed = int(np.prod(image.shape, dtype=float)) * np.dtype(image.get_data_dtype()).itemsize + int(image.dataobj.offset)
    count = 0
    with gzip.open(path) as file:
        while count <= claimed + BLOCK and (block := file.read(BLOCK)):
            count += len(block)
    if not claimed <= count <= claimed + BLOCK:
        raise ValueError(f"its header says {claimed} bytes, it holds {'more' if count > claimed else count}")


def name_of(image: MetaTensor) -> str:
    """Return the path of the file that an image was read from, for messages; "the scan" when unknown."""
    return str(image.meta.get("filename_or_obj", "the scan"))


def without_metadata(image: Any) -> Tensor:
    """Return a tensor, image or array as a plain tensor: MONAI's metadata slow every operation down."""
    return image.as_tensor() if isinstance(image, MetaTensor) else torch.as_tensor(image)


def check_mask(mask: Any, path: str | Path) -> None:
    """Refuse an empty mask.

    Args:
        mask: Array or tensor that is non-zero where the mask is.
        path: Its file, for the message.

    Raises:
        ValueError: When no voxel is marked.
    """
    if not (mask != 0).any():
        raise ValueError(f"{path} is an empty mask: accepted is one that marks at least one voxel")


class CompleteImagesd(Transform):
    """Give scans without an image that others have one of zeros, and refuse an empty lesion mask of a diseased scan.

    Args:
        keys: keys of the images; there may be none.
        mask: which of them is the lesion mask, empty in scans of class 0 alone.
        reference: key of the scan, whose grid the images have.

    Raises:
        ValueError: On a scan of another class whose mask is empty.
    """

    def __init__(self, keys: Sequence[str], mask: str = "mask", reference: str = "image") -> None:
        self.keys = tuple(keys)
        self.mask = mask
        self.reference = reference

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data` with all images, absent ones zero and of the scan's shape."""
        if self.mask in self.keys and self.mask in data and data["label"] > 0:
            check_mask(data[self.mask], name_of(data[self.mask]))
        absent = [key for key in self.keys if key not in data]
        return {**data, **{key: torch.zeros_like(data[self.reference]) for key in absent}}


class LoadScand(MapTransform):
    """Dictionary version of `LoadScan`: paths become images of shape (1, H, W[, D]).

    Args:
        keys: keys of the paths.
        constant: whether all voxels may be equal, for all keys or one a key; where they may not, a brain is expected.
        allow_missing_keys: whether keys may be absent.
        max_voxels: voxels above which a file is refused by its header.
        check_brains: whether brains that do not look like one without skull carry a warning.
        max_shear: degrees by which two axes of the voxels may be off a right angle without a warning.
    """

    def __init__(
        self,
        keys: KeysCollection,
        constant: bool | list[bool] = False,
        allow_missing_keys: bool = False,
        max_voxels: float = MAX_VOXELS,
        check_brains: bool = True,
        max_shear: float = MAX_SHEAR,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        flags = ensure_tuple_rep(constant, len(self.keys))
        self.loaders = [LoadScan(flag, check_brains and not flag, max_voxels, max_shear) for flag in flags]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data` with the images instead of their paths."""
        item = dict(data)
        for key, load in self.key_iterator(item, self.loaders):
            item[key] = load(item[key])
        return item
