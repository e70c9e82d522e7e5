"""Reading trained weights."""

from pathlib import Path

import pytest
import torch
from torch import nn

from bundle import MODELS
from bundle.checkpoints import (
    SETTINGS,
    add_about,
    find_class,
    hash_weights,
    load_network,
    read_about,
    read_class_names,
    save_network,
)
from bundle.data.signatures import SCANS, TOLERANCE


def _network(width: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def _save(content: object, folder: Path) -> Path:
    torch.save(content, folder / "model.pt")
    return folder / "model.pt"


@pytest.mark.parametrize("wrapped", [True, False])
def test_weights_are_loaded(tmp_path: Path, wrapped: bool) -> None:
    trained = _network()
    state = trained.state_dict()
    network = load_network(_network(), _save({"model": state} if wrapped else state, tmp_path))
    image = torch.rand(4, 2)
    torch.testing.assert_close(network(image), trained.eval()(image))
    assert not network.training


def test_other_architecture_is_refused(tmp_path: Path) -> None:
    path = _save({"model": _network(width=4).state_dict()}, tmp_path)
    with pytest.raises(ValueError, match=r"model\.pt fits .* such as 0\.bias of shape \(4,\), accepted is \(3,\)"):
        load_network(_network(), path)
    state = _network().state_dict()
    state["2.weight"] = state.pop("0.weight")
    path = _save({"model": state}, tmp_path)
    with pytest.raises(ValueError, match=r"2 weights differ, such as 0\.weight of shape none, accepted is \(3, 2\)"):
        load_network(_network(), path)


def test_another_number_of_classes_is_refused_with_the_key_that_gives_it(tmp_path: Path) -> None:
    networks = [_network(), _network()]
    for network, num_classes in zip(networks, (3, 2), strict=True):
        network.register_buffer("class_attributes", torch.zeros(num_classes, 1, 4))
    path = _save({"model": networks[0].state_dict()}, tmp_path)
    with pytest.raises(ValueError, match=r"give the config that it was trained with, such as --num_classes 3$"):
        load_network(networks[1], path)


def test_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.pt does not exist: train first"):
        load_network(_network(), tmp_path / "model.pt")


def test_a_folder_is_refused_with_a_file_in_it(tmp_path: Path) -> None:
    for name in ("model.pt", "best.pt"):  # not there, then there
        with pytest.raises(ValueError, match=rf"checkpoint {tmp_path} is a folder: give the file .* such as {tmp_path / name}$"):
            load_network(_network(), tmp_path)
        (tmp_path / "best.pt").touch()


@pytest.mark.parametrize("content", [{}, {"model": {}}, {"model": 3}, [1, 2], {"epoch": 3}])
def test_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(ValueError, match=r"model\.pt holds no weights: accepted is"):
        load_network(_network(), _save(content, tmp_path))


def test_damaged_or_unsafe_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("hello")
    path = _save({"model": _network().state_dict()}, tmp_path)
    (tmp_path / "cut.pt").write_bytes(path.read_bytes()[:300])
    torch.save(_network(), tmp_path / "pickled.pt")
    for name in ("text.pt", "cut.pt", "pickled.pt"):
        with pytest.raises(ValueError, match=rf"{name} is damaged or no checkpoint") as caught:
            load_network(_network(), tmp_path / name)
        assert "\n" not in str(caught.value)


def test_hash_of_the_weights_tells_networks_apart() -> None:
    first = _network()
    second = _network()
    second.load_state_dict(first.state_dict())
    assert hash_weights(first) == hash_weights(second)
    with torch.no_grad():
        second[0].bias += 1e-6
    assert hash_weights(first) != hash_weights(second)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod."])
def test_prefixes_of_parallel_and_compiled_networks_are_taken_off(tmp_path: Path, prefix: str) -> None:
    trained = _network()
    state = {f"{prefix}{name}": weight for name, weight in trained.state_dict().items()}
    network = load_network(_network(), _save({"model": state}, tmp_path))
    assert hash_weights(network) == hash_weights(trained)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    state = _network().state_dict()
    state["0.weight"][0, 0] = value
    with pytest.raises(ValueError, match=r"model\.pt holds NaN or infinite weights in 1 tensors, such as 0\.weight: train anew"):
        load_network(_network(), _save({"model": state}, tmp_path))


def test_what_is_kept_beside_the_weights_is_read_and_leaves_loading_strict(tmp_path: Path) -> None:
    network, path = _network(), tmp_path / "model.pt"
    save_network(path, network, {"class_names": ["HC", "PT"], "training_scans": torch.ones(2, 9), "epoch": 3})
    assert read_class_names(path) == ["HC", "PT"] and read_about(path)["epoch"] == 3
    assert hash_weights(load_network(_network(), path)) == hash_weights(network)
    _network().load_state_dict(torch.load(path, weights_only=True)["model"], strict=True)
    with pytest.raises(ValueError, match="fits another architecture"):
        load_network(_network(width=4), path)


def test_a_network_is_refused_where_scans_are_seen_in_another_way_than_it_was_trained_with(tmp_path: Path) -> None:
    path, trained = tmp_path / "model.pt", {"pixdim": 6.0, "plane": None, "percentile": 60}
    save_network(path, _network(), {SETTINGS: trained})
    for accepted in (None, trained, {**trained, "percentile": 60.0}, {"pixdim": [6, 6], "another": 1}):
        load_network(_network(), path, scan_settings=accepted)
    with pytest.raises(ValueError) as caught:
        load_network(_network(), path, scan_settings={"pixdim": 2.0, "plane": None, "percentile": 99.5})
    assert str(caught.value) == (
        f"{path} was trained with pixdim 6.0, percentile 60, and the config has pixdim 2.0, percentile 99.5: give the overlays"
        " that it was trained with, or --pixdim 6.0 --percentile 60"
    )
    save_network(path, _network())  # as of earlier versions
    load_network(_network(), path, scan_settings={"pixdim": 2.0})


def test_another_plane_than_that_of_the_training_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "model.pt"
    save_network(path, _network(), {SETTINGS: {"pixdim": 2.0, "plane": 15.0}})
    load_network(_network(), path, scan_settings={"pixdim": 2.0, "plane": 15})
    assert not caplog.records
    load_network(_network(), path, scan_settings={"pixdim": 2.0, "plane": 0})
    assert "was trained with plane 15.0, and the config has 0: it has not learnt from such slices" in caplog.text
    with pytest.raises(ValueError, match="was trained with pixdim 2"):
        load_network(_network(), path, scan_settings={"pixdim": 1.0, "plane": 0})


def test_settings_are_kept_by_weights_with_a_prefix(tmp_path: Path) -> None:
    weights = add_about(nn.DataParallel(_network()).state_dict(), {SETTINGS: {"pixdim": 6.0}})
    with pytest.raises(ValueError, match="was trained with pixdim 6"):
        load_network(_network(), _save({"model": weights}, tmp_path), scan_settings={"pixdim": 2.0})


@pytest.mark.parametrize("wrapped", [True, False])
def test_files_of_earlier_versions_have_no_names(tmp_path: Path, wrapped: bool) -> None:
    state = dict(_network().state_dict())
    path = _save({"model": state} if wrapped else state, tmp_path)
    assert read_class_names(path) == [] and read_about(path) == {}


@pytest.mark.parametrize(
    ("name", "classes", "cohort", "signatures"),
    [
        ("model", ["control", "lesion"], "simulated lesions", (1000, 3**2)),
        ("conversion", ["MCI", "AD"], "simulated conversion", (800, 3**3)),
        ("ageing", ["45-60 years", "70-80 years"], "simulated ageing", (570, 3**3)),  # training subjects of 800 that have a class
    ],
)
def test_shipped_networks_name_their_classes_cohort_and_training_scans(
    name: str, classes: list[str], cohort: str, signatures: tuple[int, int]
) -> None:
    about = read_about(MODELS / f"{name}.pt")
    assert read_class_names(MODELS / f"{name}.pt") == classes and about["cohort"] == cohort
    assert about[SCANS].shape == signatures
    assert (torch.cdist(about[SCANS], about[SCANS], p=float("inf")) < TOLERANCE).sum() == len(about[SCANS])  # itself alone


def test_a_class_is_found_by_name_or_number(tmp_path: Path) -> None:
    save_network(tmp_path / "model.pt", torch.nn.Linear(2, 2), {"class_names": ["control", "Lesion"]})
    for given, number in (("lesion", 1), ("Lesion", 1), ("control", 0), (1, 1), (7, 7), (None, None)):
        assert find_class(tmp_path / "model.pt", given) == number
    with pytest.raises(ValueError, match="target must be a class: accepted are control or 0, Lesion or 1, got lesions"):
        find_class(tmp_path / "model.pt", "lesions")
    save_network(tmp_path / "model.pt", torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"other must be the number of a class, as .* has no names of classes, got lesion"):
        find_class(tmp_path / "model.pt", "lesion", "other")
