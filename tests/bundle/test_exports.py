"""MONAI's tools for the network of a bundle: load, verify_net_in_out, ckpt_export."""

import sys
from pathlib import Path

import pytest
import torch
from monai.bundle import ckpt_export, load, verify_net_in_out

from bundle.networks import ICAM
from bundle.simulation import simulate_squares_cohort
from bundle.simulation.storage import DESCRIPTION

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "models" / "model.pt"
SUFFIXES = ("json", "yaml")


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(3, 1, 96, 112, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(autouse=True)
def keep_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A config's `initialize` sets a hook for errors."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)


@pytest.mark.parametrize("kind", ["train", "inference"])
def test_load_returns_the_network_with_its_weights(
    bundle_root: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a training begins with its cohort
    cohort = simulate_squares_cohort("data/lesions", (96, 112), num_train=8, num_validation=4, num_test=4)
    (cohort / DESCRIPTION).unlink()  # it is taken as it is
    network = load(bundle_root.name, bundle_dir=bundle_root.parent, workflow_type=kind, device="cpu")
    assert isinstance(network, ICAM)
    weights = torch.load(bundle_root / "models" / "model.pt", weights_only=True)
    loaded = network.state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name], weight) for name, weight in weights.items())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_network_takes_and_gives_what_the_metadata_say(bundle_root: Path, suffix: str) -> None:
    configs = bundle_root / "configs"
    verify_net_in_out(
        "network_def",
        meta_file=str(configs / "metadata.json"),
        config_file=str(configs / f"inference.{suffix}"),
        device="cpu",
        bundle_root=str(bundle_root),
    )


def test_a_wrong_number_of_channels_is_noticed(bundle_root: Path) -> None:
    configs = bundle_root / "configs"
    with pytest.raises(ValueError, match="channel number"):
        verify_net_in_out(
            "network_def",
            meta_file=str(configs / "metadata.json"),
            config_file=str(configs / "inference.yaml"),
            device="cpu",
            **{"_meta_#network_data_format#outputs#pred#num_channels": 2},
        )


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_torchscript_gives_the_same_maps(bundle_root: Path, tmp_path: Path, image: torch.Tensor, suffix: str) -> None:
    ckpt_export(
        "network_def",
        filepath=str(tmp_path / "model.ts"),
        config_file=str(bundle_root / "configs" / f"inference.{suffix}"),
        bundle_root=str(bundle_root),
    )
    exported = torch.jit.load(tmp_path / "model.ts").eval()
    network = load(bundle_root.name, bundle_dir=bundle_root.parent, workflow_type="inference", device="cpu").eval()
    with torch.inference_mode():
        maps = network(image)
        torch.testing.assert_close(exported(image), maps, rtol=0, atol=1e-6)
        torch.testing.assert_close(exported(image[:1]), network(image[:1]), rtol=0, atol=1e-6)
    assert maps.abs().max() > 1e-3


def test_torchscript_carries_metadata_and_config(bundle_root: Path, tmp_path: Path) -> None:
    models = tmp_path / bundle_root.name / "models"
    models.mkdir(parents=True)
    config = str(bundle_root / "configs" / "inference.json")
    ckpt_export("network_def", filepath=str(models / "model.ts"), config_file=config, bundle_root=str(bundle_root))
    _, metadata, extra = load(
        bundle_root.name, bundle_dir=tmp_path, load_ts_module=True, device="cpu", config_files=("inference.json",)
    )
    assert metadata["version"] == "0.2.0"
    assert b"network_def" in extra["inference.json"]


@pytest.mark.skipif(not SHIPPED.is_file(), reason="no weights in models")
def test_the_shipped_weights_are_a_plain_state_dict() -> None:
    """`monai.bundle.load` and the zoo's `ckpt_export` name no key, and load nothing from a file that needs one."""
    weights = torch.load(SHIPPED, map_location="cpu", weights_only=True)
    assert all(isinstance(weight, torch.Tensor) for weight in weights.values())
