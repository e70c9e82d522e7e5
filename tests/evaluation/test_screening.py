"""Bad test scans do not stop the others."""

from pathlib import Path

import numpy as np
import pytest

from bundle.data import LoadScand
from bundle.evaluation import Screening
from bundle.files import write_nifti


def write_items(folder: Path, sound: int, broken: int) -> list[dict[str, str]]:
    """Write scans, some of them truncated."""
    items = []
    for index in range(sound + broken):
        path = folder / f"scan-{index}.nii.gz"
        write_nifti(path, np.random.default_rng(index).random((8, 8, 1), dtype=np.float32), np.eye(4))
        if index >= sound:
            path.write_bytes(path.read_bytes()[:100])
        items.append({"image": str(path)})
    return items


def test_sound_scans_are_kept_and_broken_ones_named(tmp_path: Path) -> None:
    items = write_items(tmp_path, 2, 2)
    screening = Screening(items, LoadScand("image"))
    assert screening.items == items[:2] and isinstance(items[0]["image"], str)
    with pytest.raises(SystemExit, match=r"2 of 4 test scans could not be read.*scan-2.*; .*scan-3") as caught:
        screening.finish()
    assert "\n" not in str(caught.value)


def test_sound_scans_only_end_the_program_as_usual(tmp_path: Path) -> None:
    Screening(write_items(tmp_path, 1, 0), LoadScand("image")).finish()


def test_no_sound_scan_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none of 2 test scans can be read; the first: .*scan-0"):
        Screening(write_items(tmp_path, 0, 2), LoadScand("image"))


def test_a_scan_with_an_empty_brain_mask_is_left_out(tmp_path: Path) -> None:
    items = write_items(tmp_path, 2, 0)
    for index, item in enumerate(items):
        item["brain_mask"] = str(tmp_path / f"mask-{index}.nii.gz")
        write_nifti(item["brain_mask"], np.full((8, 8, 1), index, dtype=np.float32), np.eye(4))
    screening = Screening(items, LoadScand(["image", "brain_mask"], constant=[False, True]))
    assert screening.items == items[1:]
    assert "mask-0.nii.gz is an empty mask" in screening.reasons[0]
