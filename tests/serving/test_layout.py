"""The folder that MONAI Label serves, made without MONAI Label."""

import json
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


@pytest.mark.parametrize(("name", "size"), [("lesions", [96, 112]), ("conversion", [64, 80, 64])])
def test_metadata_and_config_have_the_grid_of_the_network(app: Path, name: str, size: list[int]):
    metadata = json.loads((app / "model" / name / "configs" / "metadata.json").read_text())
    assert metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] == size
    assert metadata["network_data_format"]["outputs"]["pred"]["spatial_shape"] == size
    assert read_config(app, name).get_parsed_content("image_size") == size


@pytest.mark.parametrize("name", ["lesions", "conversion"])
def test_served_weights_fit_the_merged_config(app: Path, name: str):
    parser = read_config(app, name)
    weights = torch.load(parser.get_parsed_content("checkpoint"), weights_only=True)
    parser.get_parsed_content("network_def").load_state_dict(weights.get("model", weights), strict=True)


def test_a_request_sets_the_number_of_samples_as_monai_label_does_it(app: Path):
    parser = read_config(app, "lesions")
    parser["displayable_configs"].update({"num_samples": 7, "target": 1})
    parser.parse()
    inferer = parser.get_parsed_content("inferer")
    assert inferer.sampling["num_samples"] == 7
    assert inferer.target == 1


def test_an_app_replaces_an_earlier_app_and_nothing_else(app: Path, tmp_path: Path):
    (app / "left").touch()
    layout.lay_out_app(app)
    assert not (app / "left").exists()
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(FileExistsError, match="not empty"):
        layout.lay_out_app(tmp_path)


def test_weights_of_another_network_are_refused_before_anything_is_served(tmp_path: Path):
    with pytest.raises(ValueError, match="fits another architecture"):
        layout.lay_out_app(tmp_path / "app", [["mine", ROOT / "models" / "conversion.pt"]])
    assert not (tmp_path / "app").exists()


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
