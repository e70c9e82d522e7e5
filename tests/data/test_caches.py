"""Scans that are kept in memory."""

import logging
from pathlib import Path

import numpy as np
import pytest
from monai.data import DataLoader, Dataset
from monai.transforms import Compose
from tiny_headers import write_header

from bundle.data import CachedScans, LoadScand
from bundle.data.caches import summarise_warnings


def test_doubts_are_logged_once_a_kind_with_the_number_of_scans(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    odd = {"qform_code": 0, "sform_code": 0}
    paths = [write_header(tmp_path / f"{index}.nii", **(odd if index else {})) for index in range(3)]
    items = [{"image": str(path), "mask": str(path)} for path in paths]
    with caplog.at_level(logging.WARNING, "bundle"):
        dataset = CachedScans(items, Compose([LoadScand(["image", "mask"], constant=[False, True])]), progress=False)
    orientation, background = sorted(record.getMessage() for record in caplog.records)
    assert orientation.startswith(f"2 files of 3 scans, such as {paths[1]}: no orientation")
    assert background.startswith(f"3 files of 3 scans, such as {paths[0]}: background is not zero")
    (batch,) = DataLoader(dataset, batch_size=3)  # whose metadata must be alike
    assert batch["image"].shape == batch["mask"].shape == (3, 1, 4, 3, 2)
    np.testing.assert_array_equal(batch["image"][0], Dataset(items, dataset.transform)[0]["image"])


def test_kinds_are_counted_whatever_their_numbers() -> None:
    found = [("b", "volume: 300 ml"), ("a", "volume: 200 ml"), ("a", "sign: negative")]
    assert summarise_warnings(found, 9) == [
        "1 files of 9 scans, such as a: sign: negative",
        "2 files of 9 scans, such as a: volume: 200 ml",
    ]
