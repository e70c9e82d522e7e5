"""Reading one scan."""

import gzip
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor, NibabelReader
from monai.transforms import MapTransform, Transform
from monai.transforms.utility.array import EnsureChannelFirst
from monai.utils import ensure_tuple_rep
from torch import Tensor

SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh", ".img", ".hdr", ".mnc", ".nrrd")  # in any case; .img and .hdr are one scan
BLOCK = 1 << 22  # bytes
VOXEL_RANGE = (0.05, 20.0)  # mm, edge of a voxel


def has_suffix(name: str | Path) -> bool:
    """Return whether a name or path ends like a file of a scan, in lower or upper case."""
    return str(name).lower().endswith(SUFFIXES)


def strip_suffix(name: str) -> str:
    """Return the name or path of a scan without its suffix, in lower or upper case; another name as it is."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


class LoadScan(Transform):
    """Read a NIfTI file with MONAI's reader, and refuse one that holds no scan in one sentence.

    Args:
        constant: whether all voxels may be equal, as in an empty mask.

    Raises:
        FileNotFoundError: On a file that does not exist.
        ValueError: On one that is no NIfTI image, not a single scan, or whose intensities are not finite or all equal.
    """

    def __init__(self, constant: bool = False) -> None:
        self.constant = constant
        self.reader = NibabelReader()
        self.channel_first = EnsureChannelFirst(channel_dim="no_channel")

    def __call__(self, path: str | Path) -> MetaTensor:
        """Return the image of a file of shape (H, W), (H, W, 1) or (H, W, D): shape (1, H, W[, D]), float32, with metadata."""
        array, meta = self._read(Path(path))
        _check_scan(array, path, self.constant)
        meta["filename_or_obj"] = str(path)
        image = MetaTensor.ensure_torch_and_prune_meta(array.astype(np.float32), meta, simple_keys=True)
        _check_affine(image.affine.numpy(), path)
        return cast(MetaTensor, self.channel_first(image))

    def _read(self, path: Path) -> tuple[np.ndarray, dict]:
        """Return array and metadata of a NIfTI file."""
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist: give a NIfTI file")
        if not path.name.endswith(SUFFIXES):
            raise ValueError(f"{path} is no NIfTI file: accepted are names ending in {' or '.join(SUFFIXES)}")
        try:
            if path.name.endswith(".gz"):  # to the checksum, which comes last and which nibabel does not reach
                with gzip.open(path) as file:
                    while file.read(BLOCK):
                        pass
            return self.reader.get_data(self.reader.read(path))
        except Exception as error:  # nibabel, gzip, zlib and NumPy each raise their own
            raise ValueError(f"{path} cannot be read as NIfTI ({str(error).splitlines()[0]}): is it complete?") from error


def read_volume(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a scan of three dimensions.

    Args:
        path: NIfTI file of shape (X, Y, Z).

    Returns:
        Intensities, shape (X, Y, Z), float32, and voxel to world matrix in mm (RAS), shape (4, 4).

    Raises:
        FileNotFoundError: When there is no such file.
        ValueError: When it holds no volume.
    """
    scan = LoadScan()(path)
    if scan.ndim != 4:
        raise ValueError(f"{path} has shape {tuple(scan.shape[1:])}: only volumes of shape (X, Y, Z) are accepted here")
    return scan.numpy()[0], scan.affine.numpy().astype(np.float64)


def _check_scan(array: np.ndarray, path: str | Path, constant: bool) -> None:
    """Refuse an array that is not one scan of finite intensities."""
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ValueError(f"{path} has shape {array.shape}: accepted is one scan of shape (H, W), (H, W, 1) or (H, W, D)")
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise ValueError(f"{path} holds values of type {array.dtype}: accepted are real numbers")
    if not np.isfinite(array).all():
        raise ValueError(f"{path} holds {np.count_nonzero(~np.isfinite(array))} NaN or infinite values: accepted are finite ones")
    if not constant and array.min() == array.max():
        raise ValueError(f"{path} is constant (all voxels are {array.flat[0]:g}): accepted is a scan with contrast")


def _check_affine(affine: np.ndarray, path: str | Path) -> None:
    """Refuse an affine that has no finite inverse, or voxels of a size that no scanner has."""
    low, high = VOXEL_RANGE
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or np.linalg.matrix_rank(affine) < 4:
        raise ValueError(f"{path} has the affine {affine.tolist()}: accepted is an invertible 4x4 matrix in mm")
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if spacing.min() < low or spacing.max() > high:
        raise ValueError(
            f"{path} has voxels of {' x '.join(f'{size:g}' for size in spacing)} mm: accepted are {low:g} to {high:g} mm;"
            " is its header in mm?"
        )


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
        constant: whether all voxels may be equal, for all keys or one a key.
        allow_missing_keys: whether keys may be absent.
    """

    def __init__(self, keys: KeysCollection, constant: bool | list[bool] = False, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.loaders = [LoadScan(flag) for flag in ensure_tuple_rep(constant, len(self.keys))]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return `data` with the images instead of their paths."""
        item = dict(data)
        for key, load in self.key_iterator(item, self.loaders):
            item[key] = load(item[key])
        return item
