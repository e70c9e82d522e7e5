"""A tiny untrained network, exported through the committed config."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from monai.bundle import ConfigParser
from tiny_scans import ROOT, TINY, make_affine, run, save_checkpoint, save_scan


class Exported(NamedTuple):
    """A folder of exported files, and the config that made them."""

    folder: Path
    parser: ConfigParser

    @property
    def differences(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "differences.csv")


def export_tiny(root: Path, spatial_dims: int) -> Exported:
    """Export the network of slices, with a regressor, or that of volumes, which moves tissue; there are two scans only.

    What is exported already is found.
    """
    parser = ConfigParser()
    parser.read_config([str(ROOT / "configs" / f"{name}.yaml") for name in ("inference", "volumes")[: spatial_dims - 1]])
    settings = {
        "bundle_root": str(root),
        "dataset_dir": str(root / "scans"),
        "output_dir": str(root / "files"),
        "checkpoint": str(root / "model.pt"),
        "device": "cpu",
        "image_size": [32] * spatial_dims,
        "plane": {2: 5.0, 3: None}[spatial_dims],
        "regression": spatial_dims == 2,
        **TINY,
    }
    parser.update(settings)
    exported = Exported(root / "files", parser)
    if not (exported.folder / "differences.csv").exists():  # it is written last
        for index in range(2):  # once: tests of another process may read them
            save_scan(root / "scans" / f"sub-{index}.nii.gz", (24, 28, 20), make_affine(), seed=index)
        save_checkpoint(parser, root / "model.pt", std=0.1)  # larger ones, untrained, amplify rounding
        run(parser, "export")
    return exported
