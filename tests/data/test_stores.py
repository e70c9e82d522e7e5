"""Files of preprocessed scans: what they keep, and what they are found by."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_store import make_transform, save_cohort

from bundle.data import RecordScansd, stores
from bundle.data.signatures import compute_signature
from bundle.data.stores import ScanStore


def make_store(folder: Path, spatial_dims: int = 2, dtype: str = "float16", record: bool = True) -> ScanStore:
    transform = make_transform(spatial_dims, record=RecordScansd() if record else None)
    return ScanStore(folder, transform.transforms[:-1], dtype)


def write_first(store: ScanStore, items: list[dict[str, Any]], index: int = 1) -> tuple[Path, dict[str, Any]]:
    path, item = store.locate(items[index]), store.prepare(items[index])
    store.write(item, path)
    return path, item


def test_scans_are_rounded_and_everything_else_is_kept_exactly(tmp_path: Path, spatial_dims: int) -> None:
    store = make_store(tmp_path / "store", spatial_dims)
    path, item = write_first(store, save_cohort(tmp_path, spatial_dims))
    found = store.read(path)
    assert found.keys() == item.keys() and found["value"] == item["value"] and found["label"] == 1
    assert all(type(found[name]) is torch.Tensor and found[name].dtype == torch.float32 for name in ("image", "mask"))
    error = (found["image"] - item["image"].as_tensor()).abs().max()
    assert 0 < error <= 2**-12  # half a step of float16 below 1
    assert item["mask"].unique().tolist() == [0, 1, 300] and item["disease_map"].abs().max() > 7e4  # more than float16 has
    for name in ("mask", "disease_map"):
        assert torch.equal(found[name], item[name].as_tensor())
    with np.load(path) as file:
        assert {name: str(file[name].dtype) for name in ("image", "mask", "disease_map")} == {
            "image": "float16", "mask": "uint16", "disease_map": "float32",
        }  # fmt: skip


def test_float32_is_exact(tmp_path: Path, spatial_dims: int) -> None:
    store = make_store(tmp_path / "store", spatial_dims, "float32")
    path, item = write_first(store, save_cohort(tmp_path, spatial_dims))
    assert torch.equal(store.read(path)["image"], item["image"].as_tensor())


def test_a_file_says_what_is_doubtful_and_has_the_signature_of_the_scan_before_it_was_rounded(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    path, item = write_first(store, save_cohort(tmp_path), index=0)
    about = store.read_about(path)
    assert about is not None and about.signatures == [tuple(compute_signature(item["image"]).tolist())]
    assert set(about.warnings) == {(item["image"].meta["filename_or_obj"], each) for each in item["image"].meta["warnings"]}
    assert about.warnings


@pytest.mark.parametrize("damage", ["absent", "empty", "cut", "changed"])
def test_no_damaged_file_is_read(tmp_path: Path, damage: str) -> None:
    store = make_store(tmp_path / "store")
    path, _ = write_first(store, save_cohort(tmp_path))
    content = bytearray(path.read_bytes())
    content[content.find(b"image.npy") + 400] ^= 1  # one bit of the image
    path.unlink()
    if damage != "absent":
        path.write_bytes({"empty": b"", "cut": bytes(content[:-9]), "changed": bytes(content)}[damage])
    with pytest.raises(ValueError, match=f"{path} is absent or damaged"):
        store.read(path)
    assert (store.read_about(path) is None) == (damage != "changed")


def test_a_scan_is_found_by_its_settings_and_by_the_files_that_it_is_made_of(tmp_path: Path) -> None:
    items = save_cohort(tmp_path)
    store = make_store(tmp_path / "store")
    path = store.locate(items[1])
    assert make_store(tmp_path / "store", record=False).locate(dict(reversed(items[1].items()))) == path
    assert make_store(tmp_path / "store", dtype="float32").folder != store.folder
    assert make_store(tmp_path / "store", spatial_dims=3).folder != store.folder
    other = store.locate(items[1] | {"label": 0})
    assert other.parent == path.parent and other.name.split("-")[0] != path.name.split("-")[0]
    Path(items[1]["mask"]).touch()
    changed = store.locate(items[1])
    assert changed != path and changed.name.split("-")[0] == path.name.split("-")[0]


def test_scans_of_other_versions_of_packages_are_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = make_store(tmp_path)
    assert make_store(tmp_path).folder == before.folder
    before.write_settings()
    monkeypatch.setattr(stores, "list_versions", lambda packages: dict.fromkeys(packages, "0"))
    after = make_store(tmp_path)
    assert after.folder != before.folder
    assert {"torch", "monai", "scipy"} <= set(after.list_other_settings()[before.folder])


def test_other_types_and_intensities_beyond_a_type_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="store_dtype must be float16 or float32, got int8"):
        make_store(tmp_path, dtype="int8")
    store = make_store(tmp_path, record=False)
    with pytest.raises(ValueError, match=r"store_dtype float16 has no intensity of 7e\+04: give float32"):
        store.write({"image": torch.full((1, 2, 2), 7e4)}, tmp_path / "a-b.npz")
