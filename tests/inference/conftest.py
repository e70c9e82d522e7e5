"""A tiny untrained network and a few scans, run through the committed config."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

ROOT = Path(__file__).parents[2]


def make_affine(voxel_sizes: tuple[float, ...] = (2.0, 2.0, 2.0), angle: float = 0.0) -> np.ndarray:
    """Return an affine that turns by an angle about the x and the z axis, with the origin near the brain's corner."""
    cosine, sine = np.cos(angle), np.sin(angle)
    about_x = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    about_z = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_z @ np.diag(voxel_sizes)
    affine[:3, 3] = (-20.0, -24.0, -10.0)
    return affine


def save_scan(path: Path, shape: tuple[int, ...], affine: np.ndarray, seed: int = 0) -> Path:
    """Save a smooth blob with background zero."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, size) if size > 1 else np.zeros(1) for size in shape), indexing="ij")
    blob = 1000 * np.clip(0.8 - sum(axis**2 for axis in axes), 0, None) * random.uniform(0.8, 1.2, shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(blob.astype(np.float32), affine), path)
    return path


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Return a folder with a slice of shape (H, W), one of shape (H, W, 1), a volume and an oblique volume."""
    folder = tmp_path / "scans"
    save_scan(folder / "flat.nii.gz", (30, 26), make_affine())
    save_scan(folder / "sub-01" / "slice.nii.gz", (24, 30, 1), make_affine((1.5, 2.5, 3.0)), seed=1)
    save_scan(folder / "sub-02" / "volume.nii", (24, 28, 20), make_affine((2.0, 2.0, 2.5)), seed=2)
    save_scan(folder / "sub-03" / "oblique.nii.gz", (30, 34, 20), make_affine((1.4, 1.2, 2.5), 0.2), seed=3)
    return folder


@pytest.fixture
def make_parser(tmp_path: Path) -> Callable[..., ConfigParser]:
    """Return a function that reads the committed config with a tiny network and overrides."""

    def make(spatial_dims: int = 2, **overrides: Any) -> ConfigParser:
        parser = ConfigParser()
        parser.read_config(ROOT / "configs" / "inference.yaml")
        parser.read_meta({"version": "0.0.0"})
        settings: dict[str, Any] = {
            "bundle_root": str(tmp_path),
            "dataset_dir": str(tmp_path / "scans"),
            "output_dir": str(tmp_path / "output"),
            "device": "cpu",
            "spatial_dims": spatial_dims,
            "image_size": [32] * spatial_dims,
            "plane": 5.0 if spatial_dims == 2 else None,
            "content_encoder::channels": 2,
            "content_encoder::num_blocks": 1,
            "attribute_encoder::channels": 2,
            "generator::attribute_channels": 4,
            "generator::num_blocks": 1,
            "num_samples": 4,
            "overviews": False,
        }
        parser.update({**settings, **overrides})
        if not (tmp_path / "models" / "model.pt").exists():
            save_checkpoint(parser, tmp_path / "models" / "model.pt")
        return parser

    return make


def save_checkpoint(parser: ConfigParser, path: Path) -> None:
    """Save random weights for the network of a config."""
    torch.manual_seed(0)
    network = parser.get_parsed_content("network_def")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    torch.nn.init.normal_(network.class_attributes)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": network.state_dict()}, path)


def run(parser: ConfigParser, entry: str = "evaluating") -> None:
    """Evaluate the entries of a run id one after the other, as the command line does."""
    for index in range(len(parser[entry])):
        parser.get_parsed_content(f"{entry}::{index}")
