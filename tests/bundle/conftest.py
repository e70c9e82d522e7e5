"""A copy of the bundle as a model zoo has it, with random weights."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from monai.bundle import ConfigParser
from processes import run_python

from scripts.package import JSON_TWINS, make_json

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def bundle_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a bundle with code, configs and a plain state_dict as models/model.pt."""
    root = tmp_path_factory.mktemp("zoo") / "icam"
    shutil.copytree(ROOT / "bundle", root / "bundle", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "configs", root / "configs")
    for name, content in make_json({f"{twin}.yaml": (ROOT / f"{twin}.yaml").read_bytes() for twin in JSON_TWINS}).items():
        (root / name).write_bytes(content)
    parser = ConfigParser()
    parser.read_config(root / "configs" / "inference.yaml")
    torch.manual_seed(0)
    network = parser.get_parsed_content("network_def")
    torch.nn.init.normal_(network.class_attributes)
    (root / "models").mkdir()
    torch.save(network.state_dict(), root / "models" / "model.pt")
    return root


@pytest.fixture
def run_elsewhere(bundle_root: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Return a function that runs Python in a folder outside of the bundle, as a user does, with one thread."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    def run(*arguments: object) -> subprocess.CompletedProcess:
        return run_python(list(arguments), folder, PYTHONPATH=str(bundle_root))

    return run
