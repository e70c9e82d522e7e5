"""configs/metadata.json tells the truth, in the form that MONAI's tools expect."""

import json
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser, verify_metadata

ROOT = Path(__file__).parents[2]
REQUIRED = {  # by the official schema and the model zoo's checks
    "schema": str,
    "version": str,
    "changelog": dict,
    "monai_version": str,
    "pytorch_version": str,
    "numpy_version": str,
    "required_packages_version": dict,
    "task": str,
    "description": str,
    "authors": str,
    "copyright": str,
    "network_data_format": dict,
}
TENSOR = {"type", "format", "num_channels", "spatial_shape", "dtype", "value_range", "is_patch_data", "channel_def"}


@pytest.fixture
def metadata() -> dict[str, Any]:
    return json.loads((ROOT / "configs" / "metadata.json").read_text())


def test_verify_metadata_accepts_it_without_a_network(tmp_path: Path) -> None:
    """A schema file that is there is not downloaded."""
    kinds = {str: "string", dict: "object"}
    properties = {key: {"type": kinds[kind]} for key, kind in REQUIRED.items()}
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "required": list(REQUIRED), "properties": properties}))
    verify_metadata(meta_file=ROOT / "configs" / "metadata.json", filepath=schema)


def test_the_version_is_in_the_changelog_and_the_deprecated_key_is_not_used(metadata: dict[str, Any]) -> None:
    assert metadata["version"] in metadata["changelog"]
    assert "optional_packages_version" not in metadata


def test_releases_are_those_of_the_constraints(metadata: dict[str, Any]) -> None:
    lines = (line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    pins = dict(line.split("==") for line in lines if line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name for names in project["optional-dependencies"].values() for name in names if "[" not in name}
    assert extras <= set(pins)
    assert project["version"] == metadata["version"]
    assert f"\nversion: {metadata['version']}\n" in (ROOT / "CITATION.cff").read_text()
    wanted = {name: pins[name] for name in project["dependencies"]}
    main = {"torch": metadata["pytorch_version"], "monai": metadata["monai_version"], "numpy": metadata["numpy_version"]}
    assert main | metadata["required_packages_version"] == wanted
    assert all(set(release) <= set("0123456789.") for release in wanted.values())


def test_the_tests_run_with_the_named_versions(metadata: dict[str, Any]) -> None:
    assert version("monai") == metadata["monai_version"]
    assert torch.__version__.split("+")[0] == metadata["pytorch_version"]


def test_tensors_are_those_of_the_network(metadata: dict[str, Any]) -> None:
    (image,), (pred,) = (metadata["network_data_format"][kind].items() for kind in ("inputs", "outputs"))
    assert (image[0], pred[0]) == ("image", "pred")
    config = ConfigParser.load_config_file(ROOT / "configs" / "inference.yaml")
    for tensor in (image[1], pred[1]):
        assert tensor.keys() >= TENSOR
        assert tensor["spatial_shape"] == config["image_size"]
        assert len(tensor["channel_def"]) == tensor["num_channels"] == 1
    assert pred[1]["format"] == "magnitude"
    assert pred[1]["channel_def"] == {"0": "feature attribution"}


def test_licences_are_there() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert "bundle/simulation/colin27/copyright" in (ROOT / "docs" / "data_license.txt").read_text()
    assert (ROOT / "bundle" / "simulation" / "colin27" / "copyright").is_file()
