"""The folder that MONAI Label serves, made without MONAI Label."""

import json
import os
import socket
import subprocess
from pathlib import Path

import layout
import pytest
import torch
from monai.bundle import ConfigParser

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the networks that come with the bundle."""
    folder = tmp_path_factory.mktemp("serving") / "app"
    layout.lay_out_app(folder)
    return folder


def read_config(app: Path, name: str) -> ConfigParser:
    """Read a model's config as MONAI Label does."""
    parser = ConfigParser()
    parser.read_config(app / "model" / name / "configs" / "inference.json")
    parser["bundle_root"] = str(app / "model" / name)
    return parser


@pytest.mark.parametrize(("name", "size"), [("lesions", [96, 112]), ("conversion", [64, 80, 64]), ("ageing", [64, 80, 64])])
def test_metadata_and_config_have_the_grid_of_the_network(app: Path, name: str, size: list[int]):
    metadata = json.loads((app / "model" / name / "configs" / "metadata.json").read_text())
    assert metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] == size
    assert metadata["network_data_format"]["outputs"]["pred"]["spatial_shape"] == size
    assert read_config(app, name).get_parsed_content("image_size") == size


@pytest.mark.parametrize("name", ["lesions", "conversion", "ageing"])
def test_served_weights_fit_the_merged_config(app: Path, name: str):
    parser = read_config(app, name)
    weights = torch.load(parser.get_parsed_content("checkpoint"), weights_only=True)
    parser.get_parsed_content("network_def").load_state_dict(weights.get("model", weights), strict=True)


def test_a_request_sets_the_number_of_samples_as_monai_label_does_it(app: Path):
    parser = read_config(app, "lesions")
    parser["displayable_configs"].update({"num_samples": 7, "target": 1})
    parser.parse()
    inferer = parser.get_parsed_content("inferer")
    assert inferer.source.num_samples == 7
    assert inferer.target == 1


def test_an_app_replaces_an_earlier_app_and_nothing_else(tmp_path: Path):
    lesions = layout.NETWORKS[:1]
    layout.lay_out_app(tmp_path / "app", lesions)
    (tmp_path / "app" / "left").touch()
    layout.lay_out_app(tmp_path / "app", lesions)
    assert not (tmp_path / "app" / "left").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["app"]


@pytest.mark.parametrize("name", ["thesis.txt", "main.py"])
def test_a_folder_that_is_no_app_is_kept(tmp_path: Path, name: str):
    (tmp_path / name).write_text("mine")
    with pytest.raises(FileExistsError, match="not empty and no app"):
        layout.lay_out_app(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_weights_of_another_network_are_refused_and_an_earlier_app_is_kept(app: Path, tmp_path: Path):
    before = sorted(path.relative_to(app) for path in app.rglob("*"))
    for folder in (app, tmp_path / "app"):
        with pytest.raises(ValueError, match="fits another architecture"):
            layout.lay_out_app(folder, [["mine", ROOT / "models" / "conversion.pt"]])
    assert sorted(path.relative_to(app) for path in app.rglob("*")) == before
    assert not list(tmp_path.iterdir())


def test_a_port_in_use_is_named_before_anything_is_laid_out(tmp_path: Path):
    if not list(ROOT.glob(".venv-serve/.installed-*")):
        pytest.skip("MONAI Label is not installed: bash scripts/serve.sh --only_install")
    with socket.create_server(("127.0.0.1", 0)) as used:
        settings = os.environ | {"PORT": str(used.getsockname()[1]), "APP": str(tmp_path / "app")}
        result = subprocess.run(["bash", "scripts/serve.sh"], cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
        assert result.returncode == 1
        assert result.stderr == f"Error: port {settings['PORT']} is in use: choose another one with PORT\n"
    assert not list(tmp_path.iterdir())


def test_overlays_that_do_not_exist_or_mistype_a_key_are_refused(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="none.yaml does not exist"):
        layout.merge_configs([tmp_path / "none.yaml"])
    (tmp_path / "mistyped.yaml").write_text("image_sise: [32, 32]\n")
    with pytest.raises(ValueError, match="did you mean image_size"):
        layout.merge_configs([tmp_path / "mistyped.yaml"])


@pytest.mark.parametrize("models", [[["mine"]], [["a", "x.pt"], ["a", "y.pt"]], [["../mine", "x.pt"]]])
def test_a_model_needs_a_name_of_its_own_and_a_checkpoint(tmp_path: Path, models: list[list[str]]):
    with pytest.raises(ValueError, match="--model takes"):
        layout.lay_out_app(tmp_path / "app", models)
