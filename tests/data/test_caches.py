"""Scans that are kept in memory, with doubts, and those that cannot be read."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset
from monai.transforms import Compose, RandFlip, Transform
from tiny_headers import write_header

from bundle.data import CachedScans, LoadScand, check_scans
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


class Read(Transform):
    """Count what is read; negative numbers cannot be."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, number: int) -> torch.Tensor:
        self.count += 1
        if number < 0:
            raise ValueError(f"scan {number} is\nbroken")
        return torch.full((1, 2, 2), float(number))


def make(data: list[int], *transforms: Any) -> CachedScans:
    return CachedScans(data, Compose([Read(), *transforms]))


def test_all_scans_that_cannot_be_read_are_named_at_once_and_each_is_read_once() -> None:
    train, validation = make([1, -2, 3, -4]), make([-5, 6])
    with pytest.raises(ValueError, match="3 of 6 scans of training and validation cannot be used") as caught:
        check_scans([train, validation])
    assert str(caught.value).endswith("scan -2 is broken; scan -4 is broken; scan -5 is broken")
    assert train.transform.transforms[0].count == 4


def test_of_many_the_first_ten_are_named_and_the_others_counted() -> None:
    with pytest.raises(ValueError, match="12 of 13 scans") as caught:
        check_scans([make([*range(-12, 1)])])
    assert "scan -12" in str(caught.value) and "scan -3 is broken; and 2 more" in str(caught.value)
    assert "scan -2 " not in str(caught.value)


def test_scans_that_can_all_be_read_are_cached_and_given() -> None:
    dataset = make([1, 2], RandFlip(1.0))
    check_scans([dataset])
    assert [dataset[index].mean().item() for index in (0, 1, 0)] == [1, 2, 1]
    assert dataset.transform.transforms[0].count == 2


def test_nothing_is_given_of_a_dataset_with_a_bad_scan() -> None:
    with pytest.raises(ValueError, match="scan -2 is broken"):
        make([1, -2])[0]
