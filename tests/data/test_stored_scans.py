"""Scans that stream from disk: written once by whoever comes first, read by many, and mended."""

import logging
import os
import shutil
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader
from processes import ROOT, PythonProcess
from tiny_store import NoteReading, make_transform, save_cohort

from bundle.data import CachedScans, RecordScansd, StoredScans, check_scans
from bundle.data.stored_scans import write_size
from bundle.files import TEMPORARY_PREFIX
from bundle.workers import Workers

PROCESS = """
from tiny_store import store_slowly
if __name__ == "__main__":
    store_slowly({folder!r}, {store!r}, {notes!r}, {seconds}, {num_workers})
"""


def store(items: list[dict[str, Any]], folder: Path, **settings: Any) -> StoredScans:
    """Store items, noting what is read in the file `notes`."""
    settings = {"dtype": "float32", "workers": Workers(0)} | settings
    return StoredScans(items, make_transform(note=NoteReading(str(folder / "notes"))), folder / "store", **settings)


def list_notes(path: Path) -> list[str]:
    """Return the names of the scans that were read, in order."""
    return [line.split()[0] for line in path.read_text().splitlines()] if path.is_file() else []


def test_scans_from_disk_are_those_in_memory_bit_for_bit(tmp_path: Path, spatial_dims: int) -> None:
    items, records = save_cohort(tmp_path, spatial_dims), [RecordScansd(), RecordScansd(), RecordScansd()]
    cached = CachedScans(items, make_transform(spatial_dims, record=records[0]), progress=False)
    for record in records[1:]:  # written, and found
        stored = StoredScans(items, make_transform(spatial_dims, record=record), tmp_path / "store", "float32", Workers(0))
        assert stored.warnings == cached.warnings != [] and stored.data == cached.data
        assert torch.equal(record.list_signatures(), records[0].list_signatures())
        for dataset in (cached, stored):
            dataset.transform.set_random_state(seed=3)
        for _ in range(2):
            for one, other in zip(cached, stored, strict=True):
                assert one.keys() == other.keys() and one["label"] == other["label"] and one["value"] == other["value"]
                assert all(np.array_equal(one[name], other[name]) for name in ("image", "mask", "disease_map"))


def test_what_is_written_is_not_written_again_and_a_change_writes_anew_what_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = save_cohort(tmp_path)
    caplog.set_level(logging.INFO, "bundle")
    first = store(items[:5], tmp_path)
    assert "5 scans stream from" in caplog.text and "5 are written: 0 changed, 0 damaged, 5 new" in caplog.text
    store(items[:5], tmp_path)
    assert "where all are there" in caplog.text
    os.utime(items[2]["image"], (0, 0))
    first.paths[3].write_bytes(b"half")
    second = store(items, tmp_path)
    assert "3 are written: 1 changed, 1 damaged, 1 new" in caplog.text
    names = [Path(item["image"]).name for item in items]
    assert sorted(list_notes(tmp_path / "notes")) == sorted([*names, names[2], names[3]])
    assert sorted(second.paths) == sorted(second.store.folder.glob("*.npz"))  # the one before the change is gone


def test_scans_of_other_settings_and_of_another_cohort_are_named_and_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = save_cohort(tmp_path)
    first, other = store(items, tmp_path), store(items[:4], tmp_path, dtype="float16")
    caplog.set_level(logging.INFO, "bundle")
    store(items[:4], tmp_path)
    assert f"{first.store.folder} also holds 2 scans that are not in this cohort's split" in caplog.text
    assert f"{other.store.folder} has scans of other settings (store_dtype)" in caplog.text
    assert all(path.is_file() for path in (*first.paths, *other.paths))


def test_scans_that_cannot_be_read_are_named_and_tried_again(tmp_path: Path) -> None:
    items = save_cohort(tmp_path)
    good = Path(items[1]["image"]).read_bytes()
    for index in (1, 4):
        Path(items[index]["image"]).write_bytes(b"no scan")
    dataset = store(items, tmp_path)
    with pytest.raises(ValueError, match="2 of 6 scans") as caught:
        check_scans([dataset])
    assert items[1]["image"] in str(caught.value) and items[4]["image"] in str(caught.value)
    with pytest.raises(ValueError, match="2 of 6 scans"):
        dataset[0]
    Path(items[1]["image"]).write_bytes(good)
    assert list(store(items, tmp_path).reasons) == [4]
    assert len(list_notes(tmp_path / "notes")) == 6 + 2


def test_a_file_that_is_damaged_later_is_written_anew_unless_its_scan_has_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = save_cohort(tmp_path)
    dataset = store(items, tmp_path)
    before = dataset[0]["mask"]
    dataset.paths[0].unlink()
    assert torch.equal(dataset[0]["mask"], before) and dataset.paths[0].is_file()
    assert f"{dataset.paths[0]} is absent or damaged: it is written anew" in caplog.text
    dataset.paths[0].write_bytes(b"half")
    os.utime(items[0]["image"], (0, 0))
    with pytest.raises(ValueError, match="its scan has changed since: start the same"):
        dataset[0]


def test_a_disk_without_room_gets_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = save_cohort(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 100))  # type: ignore[attr-defined]
        room = r"needs [\d.]+ kB more and its disk has 0\.1 kB: give another store_dir, or make room there"
        for dtype, remedy in (("float32", ", or store_dtype float16"), ("float16", "")):
            with pytest.raises(OSError, match=f"{room}{remedy}$"):
                store(items, tmp_path, dtype=dtype)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match=r"could not be saved \(no space left on device\): give another store_dir"):
            store(items, tmp_path)
    assert store(items, tmp_path).reasons == {}


def test_sizes_have_a_unit_in_which_they_are_seen() -> None:
    sizes = [write_size(megabytes) for megabytes in (0, 0.0341, 0.9, 5.24, 2_500, 3_100_000)]
    assert sizes == ["0 kB", "34.1 kB", "900 kB", "5.24 MB", "2.5 GB", "3.1 TB"]


def test_processes_that_load_data_read_the_same_scans(tmp_path: Path) -> None:
    dataset = StoredScans(save_cohort(tmp_path), make_transform(), tmp_path / "store", workers=Workers(0))
    masks = [torch.cat([batch["mask"] for batch in DataLoader(dataset, batch_size=2, num_workers=count)]) for count in (0, 2)]
    assert torch.equal(*masks)


class Writer:
    """A process that stores the scans of a folder."""

    def __init__(self, folder: Path, store: str, seconds: float, num_workers: int) -> None:
        self.store, self.notes = folder / store, folder / "notes"
        script = folder / "writer.py"
        script.write_text(PROCESS.format(
            folder=str(folder), store=str(self.store), notes=str(self.notes), seconds=seconds, num_workers=num_workers
        ))  # fmt: skip
        self.process = PythonProcess([script], PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "tests")]))

    def list_files(self) -> list[Path]:
        found = self.store.glob("*/*-*.npz")
        return sorted(path for path in found if not path.name.startswith(TEMPORARY_PREFIX))


@pytest.mark.slow
def test_a_killed_run_goes_on_with_what_is_not_written_yet(tmp_path: Path) -> None:
    save_cohort(tmp_path, count=12)
    first = Writer(tmp_path, "store", 0.3, num_workers=2)
    while len(first.list_files()) < 4 and first.process.poll() is None:
        time.sleep(0.02)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    time.sleep(0.5)  # its processes end with it
    done = {path: path.read_bytes() for path in first.list_files()}
    assert 4 <= len(done) < 12 and first.process.returncode == -signal.SIGKILL
    second = Writer(tmp_path, "store", 0.3, num_workers=0)
    assert second.process.wait() == 0 and len(second.list_files()) == 12
    assert all(path.read_bytes() == content for path, content in done.items())
    assert sum(Counter(list_notes(second.notes)).values()) <= 12 + 2  # two were at work
    assert not list(second.store.glob("*/.partial-*"))


@pytest.mark.slow
def test_several_processes_start_at_once_and_each_scan_is_written_once(tmp_path: Path) -> None:
    save_cohort(tmp_path, count=6)
    writers = [Writer(tmp_path, "store", 0.1, num_workers=0) for _ in range(2)]
    assert [writer.process.wait() for writer in writers] == [0, 0]
    counts = Counter(list_notes(writers[0].notes))
    assert set(counts.values()) == {1} and len(counts) == 6
