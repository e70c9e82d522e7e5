"""A tiny untrained network and a few scans, run through the committed config."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser
from tiny_scans import ROOT, TINY, make_affine, save_checkpoint, save_scan


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
            "checkpoint": str(tmp_path / "model.pt"),
            "device": "cpu",
            "spatial_dims": spatial_dims,
            "image_size": [32] * spatial_dims,
            "plane": 5.0 if spatial_dims == 2 else None,
            **TINY,
            "overviews": False,
            "pages": False,
            "atlas": None,
        }
        parser.update({**settings, **overrides})
        if not (tmp_path / "model.pt").exists():
            save_checkpoint(parser, tmp_path / "model.pt")
        return parser

    return make
