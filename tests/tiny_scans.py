"""Tiny scans, a tiny untrained network, and running the entries of a config."""

from pathlib import Path

import nibabel
import numpy as np
import torch
from monai.bundle import ConfigParser

from bundle.networks import ICAM

ROOT = Path(__file__).parents[1]
TINY = {  # keys of configs/inference.yaml
    "content_encoder::channels": 2,
    "content_encoder::num_blocks": 1,
    "attribute_encoder::channels": 2,
    "generator::attribute_channels": 4,
    "generator::num_blocks": 1,
    "num_samples": 4,
}


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


def fill_erasure(network: ICAM) -> None:
    """Let a network erase something, with random readers of the attribute, as a trained one does; the seed goes on as without."""
    if network.erasure is not None:
        random = torch.Generator().manual_seed(0)
        for buffer in (network.erasure.readers, network.erasure.cross_covariance):
            buffer.normal_(generator=random)


def save_checkpoint(parser: ConfigParser, path: Path, std: float = 0.3) -> None:
    """Save random weights for the network of a config."""
    torch.manual_seed(0)
    network = parser.get_parsed_content("network_def")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=std)
    torch.nn.init.normal_(network.class_attributes)
    fill_erasure(network)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": network.state_dict()}, path)


def run(parser: ConfigParser, entry: str = "evaluating") -> None:
    """Evaluate the entries of a run id one after the other, as the command line does."""
    for index in range(len(parser[entry])):
        parser.get_parsed_content(f"{entry}::{index}")
