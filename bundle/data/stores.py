"""Preprocessed scans on disk: a file each, written once, whole or absent, and found again while nothing about it has changed."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose
from torch import Tensor

from bundle.data.descriptions import describe, list_differences
from bundle.data.formats import has_suffix
from bundle.data.headers import WARNINGS_KEY
from bundle.data.scans import name_of, without_metadata
from bundle.data.signatures import RecordScansd, compute_signature
from bundle.files import write_atomically
from bundle.records import compute_fingerprint, list_versions

VERSION = 1  # of the preprocessing and of the files: another one writes all scans anew
PACKAGES = ("monai", "torch", "numpy", "scipy", "simpleitk", "nibabel")  # so does another one of these
DTYPES = ("float16", "float32")
SETTINGS = "settings.json"
ABOUT = "about"  # name in a file of what it says beside its images


class About(NamedTuple):
    """What a file of the store says beside its images.

    Attributes:
        warnings: names of files, and sentences on what is doubtful about them.
        signatures: of the scans that the preprocessing records, before they are rounded.
        megabytes: size of the file.
    """

    warnings: list[tuple[str, str]]
    signatures: list[tuple[float, ...]]
    megabytes: float


class ScanStore:
    """A folder with a file for each preprocessed scan, in a subfolder for each preprocessing.

    The name of a file has two parts: a hash of the entry of the data list, and one of size and time of the files that it names.
    Several processes can write and read at the same time; none holds a file open.

    Args:
        folder: where the subfolders are.
        transforms: preprocessing without what is random; `RecordScansd` is not a part of it, its signatures are kept.
        dtype: type of the scans, "float16" or "float32". All other images are kept exactly: whole numbers in the smallest
            type that holds them, others in float32.
        key: key of the scan.

    Raises:
        ValueError: When the type is another one, or a part of a transform has no description.
    """

    def __init__(self, folder: str | Path, transforms: Sequence[Callable[[Any], Any]], dtype: str, key: str = "image") -> None:
        if dtype not in DTYPES:
            raise ValueError(f"store_dtype must be {' or '.join(DTYPES)}, got {dtype}")
        self.recorded = [name for each in transforms if isinstance(each, RecordScansd) for name in each.keys]
        self.transform = Compose([each for each in transforms if not isinstance(each, RecordScansd)])
        self.settings = {
            "version": VERSION,
            "packages": list_versions(PACKAGES),
            "store_dtype": dtype,
            "steps": [describe(each) for each in self.transform.transforms],
        }
        self.folder = Path(folder) / compute_fingerprint(self.settings)
        self.dtype, self.key = np.dtype(dtype), key

    def locate(self, item: Mapping[str, Any]) -> Path:
        """Return the path of the file of an entry of a data list."""
        files = sorted(value for value in item.values() if isinstance(value, str) and has_suffix(value))
        return self.folder / f"{compute_fingerprint(item)}-{compute_fingerprint(files=files)}.npz"

    def prepare(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """Return an entry after the preprocessing."""
        prepared: dict[str, Any] = self.transform(dict(item))
        return prepared

    def write(self, item: Mapping[str, Any], path: Path) -> About:
        """Write a preprocessed entry.

        Raises:
            OSError: When the file cannot be written.
            ValueError: When an intensity is too large for the type.
        """
        images = {key: value for key, value in item.items() if isinstance(value, Tensor)}
        arrays = {key: self._pack(key, image) for key, image in images.items()}
        warnings = [
            (name_of(image), sentence)
            for image in images.values() if isinstance(image, MetaTensor)
            for sentence in image.meta.get(WARNINGS_KEY, [])
        ]  # fmt: skip
        signatures = [tuple(compute_signature(images[key]).tolist()) for key in self.recorded]
        values = {key: value for key, value in item.items() if key not in images}
        text = json.dumps({"values": values, "warnings": warnings, "signatures": signatures})
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{ABOUT: np.frombuffer(text.encode(), dtype=np.uint8)}, **arrays)
        try:
            with write_atomically(path) as temporary:
                temporary.write_bytes(buffer.getbuffer())
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise OSError(f"{path} could not be saved ({reason}): give another store_dir, or make room there") from error
        return About(warnings, signatures, len(buffer.getbuffer()) / 1e6)

    def read(self, path: Path) -> dict[str, Any]:
        """Return what was written, images as tensors of float32 without metadata.

        Raises:
            ValueError: When the file is absent or damaged; its checksums are compared.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                values = _decode(file)["values"]
                names = (name for name in file.files if name != ABOUT)
                return values | {name: torch.from_numpy(file[name].astype(np.float32, copy=False)) for name in names}
        except Exception as error:  # zipfile, json and NumPy each raise their own
            raise ValueError(f"{path} is absent or damaged") from error

    def read_about(self, path: Path) -> About | None:
        """Return what a file says beside its images; None when it is absent or cut."""
        try:
            with np.load(path, allow_pickle=False) as file:
                content = _decode(file)
            warnings, signatures = ([tuple(each) for each in content[name]] for name in ("warnings", "signatures"))
            return About(warnings, signatures, path.stat().st_size / 1e6)
        except Exception:
            return None

    def list_others(self, paths: Sequence[Path]) -> tuple[list[Path], int]:
        """Return the files whose scans have changed since, and the number of files of scans that are none of the given ones."""
        kept = {path.name for path in paths}
        scans = {find_identity(path) for path in paths}
        others = [path for path in self.folder.glob("*-*.npz") if path.name not in kept and not path.name.startswith(".")]
        replaced = [path for path in others if find_identity(path) in scans]
        return replaced, len(others) - len(replaced)

    def write_settings(self) -> None:
        """Write the settings beside the scans, to compare them with others."""
        with write_atomically(self.folder / SETTINGS) as temporary:
            temporary.write_text(json.dumps(self.settings, indent=2, default=str) + "\n", encoding="utf-8")

    def list_other_settings(self) -> dict[Path, list[str]]:
        """Return the subfolders of other preprocessings, each with the names of the settings that differ."""
        found = {}
        for path in sorted(self.folder.parent.glob(f"*/{SETTINGS}")):
            if path.parent != self.folder:
                try:
                    settings = json.loads(path.read_text(encoding="utf-8"))
                except (OSError, ValueError):
                    settings = {}
                found[path.parent] = list_differences(settings, json.loads(json.dumps(self.settings, default=str)))
        return found

    def _pack(self, key: str, image: Tensor) -> np.ndarray:
        """Return an image in the type in which it is kept."""
        array = np.asarray(without_metadata(image).numpy(), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            packed = array.astype(self.dtype if key == self.key else np.int64)
        if key == self.key:
            if not np.isfinite(packed).all():
                raise ValueError(f"store_dtype {self.dtype} has no intensity of {np.abs(array).max():.3g}: give float32")
            return packed
        if not np.array_equal(packed, array):
            return array
        return packed.astype(np.result_type(*(np.min_scalar_type(limit) for limit in (packed.min(), packed.max()))))


def _decode(file: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file[ABOUT].tobytes())
    return content


def find_identity(path: Path) -> str:
    """Return the part of a file's name that stands for its entry of a data list."""
    return path.name.partition("-")[0]
