"""A tiny network for the Python interface, and scans for it."""

from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from tiny_scans import TINY, make_affine, save_checkpoint, save_scan

from bundle import CONFIGS
from bundle.trained_network import TrainedNetwork

SHAPES = {2: [(24, 30, 1), (30, 26)], 3: [(24, 28, 20), (30, 34, 20)]}


def build_trained_network(folder: Path, spatial_dims: int) -> TrainedNetwork:
    """Return a network of random weights, which lie in a folder."""
    settings: dict[str, Any] = {
        **TINY,
        "spatial_dims": spatial_dims,
        "image_size": [32] * spatial_dims,
        "plane": 5.0 if spatial_dims == 2 else None,
        "device": "cpu",
        "check_brains": False,
        "checkpoint": str(folder / "model.pt"),
    }
    parser = ConfigParser()
    parser.read_config(CONFIGS / "inference.yaml")
    parser.update(settings)
    save_checkpoint(parser, folder / "model.pt")
    return TrainedNetwork([CONFIGS / "inference.yaml"], settings)


def save_scans(folder: Path, spatial_dims: int) -> Path:
    """Save two scans on grids of their own, and return their folder."""
    for number, shape in enumerate(SHAPES[spatial_dims]):
        save_scan(folder / "scans" / f"sub-{number}.nii.gz", shape, make_affine((1.5, 1.8, 2.5), 0.1 * number), number)
    return folder / "scans"
