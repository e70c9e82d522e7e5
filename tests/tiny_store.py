"""A tiny cohort with its preprocessing, and transforms that say what they do, also in other processes."""

import os
import time
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from monai.transforms import Compose, RandFlipd, Transform
from tiny_scans import make_affine, save_scan

from bundle.data import CompleteImagesd, LoadScand, RecordScansd, ResampleToGridd, ScaleForegroundd, StandardiseValued
from bundle.data.stored_scans import StoredScans
from bundle.workers import Workers

SIZES = {2: (16, 32), 3: (16, 16, 32)}


class NoteReading(Transform):
    """Append the name of each scan that passes to a file, after some seconds."""

    def __init__(self, path: str, seconds: float = 0.0) -> None:
        self.path, self.seconds = path, seconds

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        time.sleep(self.seconds)
        with Path(self.path).open("a") as file:
            file.write(f"{Path(data['image']).name} {os.getpid()}\n")
        return dict(data)


def save_cohort(folder: Path, spatial_dims: int = 2, count: int = 6) -> list[dict[str, Any]]:
    """Save scans of two classes; those of class 1 have a mask with the labels 1 and 300, and a disease map in scanner units.

    The first one is doubtful: its background is not zero.
    """
    shape = (20, 24, 1) if spatial_dims == 2 else (20, 24, 28)
    items: list[dict[str, Any]] = []
    for index in range(count):
        affine = make_affine()
        image = str(save_scan(folder / f"scan-{index}.nii.gz", shape, affine, seed=index))
        if index == 0:
            nibabel.save(nibabel.Nifti1Image(nibabel.load(image).get_fdata(dtype=np.float32) + 1, affine), image)
        items.append({"image": image, "label": index % 2, "age": 60.0 + index})
        if index % 2:
            mask = np.zeros(shape, dtype=np.int16)
            mask[4:8, 6:12] = 1
            mask[10:12, 6:12] = 300
            change = np.random.default_rng(index).normal(0, 1e5, shape).astype(np.float32)
            for name, array in (("mask", mask), ("disease_map", change)):
                items[-1][name] = str(folder / f"{name}-{index}.nii.gz")
                nibabel.save(nibabel.Nifti1Image(array, affine), items[-1][name])
    return items


def make_transform(spatial_dims: int = 2, *, record: RecordScansd | None = None, note: NoteReading | None = None) -> Compose:
    """Return the preprocessing of a training, with a random flip behind it."""
    keys = ["image", "mask", "disease_map"]
    return Compose([
        *([note] if note else []),
        LoadScand(keys, constant=[False, True, True], allow_missing_keys=True),
        ResampleToGridd(
            keys, SIZES[spatial_dims], 1.9, mode=["bilinear", "nearest", "bilinear"],
            plane=0.0 if spatial_dims == 2 else None, allow_missing_keys=True,
        ),
        ScaleForegroundd("image"),
        StandardiseValued("age", 62.5, 10.0),
        CompleteImagesd(["mask", "disease_map"]),
        *([record] if record else []),
        RandFlipd("image", prob=0.5, spatial_axis=0),
    ])  # fmt: skip


def store_slowly(folder: str, store: str, notes: str, seconds: float, num_workers: int) -> None:
    """Store the cohort of a folder in a process that takes long."""
    torch.set_num_threads(1)
    items = [{"image": str(path), "label": 0, "age": 60.0} for path in sorted(Path(folder).glob("scan-*.nii.gz"))]
    StoredScans(items, make_transform(note=NoteReading(notes, seconds)), store, workers=Workers(num_workers))
