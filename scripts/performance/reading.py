"""Batches that stream from scans on disk."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from monai.bundle import ConfigParser
from monai.data import DataLoader

from bundle import CONFIGS
from bundle.data import BalancedBatchSampler, StoredScans

FILES, BATCH_SIZE = 50, 8  # scans that differ; further ones are hard links to them


def make_reading(size: list[int], number: int) -> Callable[[], Any]:
    """Build a function that reads and augments a batch of a cohort of slices, whose preprocessed scans are on disk.

    Args:
        size: voxels along each axis.
        number: scans of the cohort.
    """
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    random = np.random.default_rng(0)
    for index in range(number):
        path = folder / f"{index}.nii"
        if index < FILES:
            nibabel.save(nibabel.Nifti1Image(random.random(size, np.float32)[..., None], np.eye(4)), path)
        else:
            os.link(folder / f"{index % FILES}.nii", path)
    parser = ConfigParser()
    parser.read_config(str(CONFIGS / "train.yaml"))
    parser.update({"image_size": size, "pixdim": 1.0, "plane": 0.0, "check_brains": False})
    preprocessing, augment = parser.get_parsed_content("preprocessing"), parser.get_parsed_content("augmentation")
    labels = [index % 2 for index in range(number)]
    items = [{"image": str(folder / f"{index}.nii"), "label": label} for index, label in enumerate(labels)]
    scans = StoredScans(items, preprocessing, folder / "store")
    sampler = BalancedBatchSampler(labels, BATCH_SIZE)
    batches = (batch for epoch in count() for batch in _list_batches(sampler, DataLoader(scans, batch_sampler=sampler), epoch))
    return lambda: augment(next(batches), "cpu")


def _list_batches(sampler: BalancedBatchSampler, loader: DataLoader, epoch: int) -> Any:
    sampler.set_epoch(epoch)
    return loader
