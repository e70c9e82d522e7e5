"""Where the scans of a training are kept."""

import logging
from pathlib import Path
from typing import Any

import pytest
from tiny_store import make_transform, save_cohort

from bundle.data import CachedScans, StoredScans, choose_storage, hold_scans, storage
from bundle.data.storage import METADATA, estimate_bytes, find_free_memory
from bundle.workers import Workers

ITEMS = [[{"image": "/a.nii.gz", "label": 0, "session_id": "1"}] * 3, [{"image": "/b.mgz", "mask": "/m.nii"}]]
BYTES = 5 * (4 * 16 * 32 + METADATA)


def choose(folder: Path, **settings: Any) -> storage.Storage:
    return choose_storage(
        **{"data_in": "auto", "data": ITEMS, "spatial_size": (16, 32), "memory_share": 0.5, "store_dir": folder} | settings
    )


@pytest.mark.parametrize(
    ("free", "ranks", "on_disk"), [(2 * BYTES, 1, False), (1.9 * BYTES, 1, True), (4 * BYTES, 2, False), (3.9 * BYTES, 2, True)]
)
def test_auto_takes_memory_where_the_scans_of_all_processes_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, free: float, ranks: int, on_disk: bool
) -> None:
    assert estimate_bytes(ITEMS, (16, 32)) == BYTES
    monkeypatch.setattr(storage, "find_free_memory", lambda: free)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(ranks))
    caplog.set_level(logging.INFO, "bundle")
    chosen = choose(tmp_path)
    assert chosen.on_disk == on_disk and chosen.dtype == ("float16" if on_disk else "float32")
    assert (f"Scans stream from {tmp_path}" if on_disk else "Scans are kept in memory") in caplog.text


def test_all_processes_of_a_run_stream_from_disk_where_one_has_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "find_free_memory", lambda: 9 * BYTES)
    assert not choose(tmp_path).on_disk
    monkeypatch.setattr(storage, "gather", lambda own: [own, True])
    assert choose(tmp_path).on_disk and choose(tmp_path).dtype == "float16"


def test_memory_and_disk_are_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = save_cohort(tmp_path)
    monkeypatch.setattr(storage, "find_free_memory", lambda: 0.0)
    memory, disk = (choose(tmp_path / "store", data_in=place, data=[items], workers=Workers(0)) for place in ("memory", "disk"))
    cached, stored = (hold_scans(items, make_transform(), place, "train") for place in (memory, disk))
    assert isinstance(cached, CachedScans) and isinstance(stored, StoredScans)
    assert stored.store.folder.parent == tmp_path / "store" / "train"


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"data_in": "ram"}, "data_in must be auto, memory or disk, got ram"),
        ({"store_dtype": "uint8"}, "store_dtype must be float16 or float32, got uint8"),
        ({"memory_share": 0}, "memory_share must be above 0 and at most 1, got 0"),
    ],
)
def test_other_values_are_refused(tmp_path: Path, setting: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        choose(tmp_path, **setting)


def test_memory_is_what_is_free_and_what_the_job_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meminfo, own, groups = tmp_path / "meminfo", tmp_path / "cgroup", tmp_path / "groups"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable: 4000 kB\n")
    own.write_text("0::/slurm/job\n")
    for name, limit, used in (("slurm/job", "max", "5"), ("slurm", "3000000", "1000000")):
        (groups / name).mkdir(parents=True, exist_ok=True)
        (groups / name / "memory.max").write_text(f"{limit}\n")
        (groups / name / "memory.current").write_text(f"{used}\n")
    for name, path in (("MEMINFO", meminfo), ("OWN_GROUP", own), ("GROUPS", groups)):
        monkeypatch.setattr(storage, name, path)
    assert find_free_memory() == 2_000_000
    own.write_text("0::/other\n")
    assert find_free_memory() == 4000 * 1024
    meminfo.unlink()
    assert find_free_memory() > 0
