"""Which test scans are evaluated: bad ones do not stop the others, and participants are drawn."""

from pathlib import Path

import numpy as np
import pytest
from tiny_evaluation import rows_of

from bundle.data import LoadScand
from bundle.evaluation import ReadableScans, draw_participants
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
    readable = ReadableScans(items, LoadScand("image"))
    assert readable.items == items[:2] and isinstance(items[0]["image"], str)
    with pytest.raises(SystemExit, match=r"2 of 4 test scans could not be read.*scan-2.*; .*scan-3") as caught:
        readable.finish()
    assert "\n" not in str(caught.value)


def test_sound_scans_only_end_the_program_as_usual(tmp_path: Path) -> None:
    ReadableScans(write_items(tmp_path, 1, 0), LoadScand("image")).finish()


def test_no_sound_scan_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none of 2 test scans can be read; the first: .*scan-0"):
        ReadableScans(write_items(tmp_path, 0, 2), LoadScand("image"))


def test_a_scan_with_an_empty_brain_mask_is_left_out(tmp_path: Path) -> None:
    items = write_items(tmp_path, 2, 0)
    for index, item in enumerate(items):
        item["brain_mask"] = str(tmp_path / f"mask-{index}.nii.gz")
        write_nifti(item["brain_mask"], np.full((8, 8, 1), index, dtype=np.float32), np.eye(4))
    readable = ReadableScans(items, LoadScand(["image", "brain_mask"], constant=[False, True]))
    assert readable.items == items[1:]
    assert "mask-0.nii.gz is an empty mask" in readable.reasons[0]


def test_so_many_participants_of_seen_and_of_unseen_anatomies_are_drawn_with_all_their_scans():
    rows = rows_of([0, 1] * 10, ["one"] * 12 + ["two"] * 8)
    rows += [dict(row, label=1 - row["label"]) for row in rows]  # the other scan of each
    drawn = draw_participants(rows, rows_of([0], ["one"]), 3, seed=1)
    assert [row for row in rows if row in drawn] == drawn and len(drawn) == 12
    names = {row["participant_id"]: row["anatomy"] for row in drawn}
    assert sorted(names.values()) == ["one"] * 3 + ["two"] * 3
    turned = draw_participants(rows[::-1], rows_of([0], ["one"]), 3, seed=1)
    assert turned[::-1] == drawn != draw_participants(rows, rows_of([0], ["one"]), 3, seed=2)


def test_all_participants_are_taken_unless_a_number_is_given():
    rows = rows_of([0, 1] * 3)
    assert draw_participants(rows, rows, None) == draw_participants(rows, rows, 10) == rows
    with pytest.raises(ValueError, match="test_participants must be null or at least 1, got 0"):
        draw_participants(rows, rows, 0)
    with pytest.raises(ValueError, match="test_participants 1 leaves no seen scan of class [01]: take more"):
        draw_participants(rows, rows, 1)
